import { ParticleError } from '../../errors.ts'
import { addressOf } from '../auth/address.ts'
import type { Credentials } from '../auth/admitted.ts'
import { browserValues } from './cookie.ts'
import type { Exchange } from './exchange.ts'
import { entriesOf, objectOf, textsOf, tokenOf } from './fields.ts'

/** Answers `POST {path}/reached`. The session's open streams on this node then report each position. */
export async function reached(exchange: Exchange): Promise<void> {
  const { body, credentials } = await sessionRequest(exchange, ['token', 'position'], '{ token?, position }')
  const positions = textsOf(
    body.position,
    'position must be a text of server.position(root), or a list of them',
  )
  if (positions.length === 0) throw new ParticleError('INVALID_MESSAGE', 'position is missing')
  exchange.sendJson(200, { live: await exchange.server.reached(credentials, positions) })
}

/** Answers `POST {path}/watch`. The session's open streams on this node then watch other roots. */
export async function watch(exchange: Exchange): Promise<void> {
  const fields = ['token', 'add', 'remove']
  const { body, credentials } = await sessionRequest(exchange, fields, '{ token?, add?, remove? }')
  const add = entriesOf(body.add, 'add') ?? []
  const remove = (entriesOf(body.remove, 'remove') ?? []).map((entry) =>
    typeof entry === 'string' ? entry : entry.root,
  )
  exchange.sendJson(200, await exchange.server.watch(credentials, add, remove))
}

/**
 * Reads a request of a client about its open stream. The token proves the session, as for a stream: by a
 * header, by the body, or by a ticket in the address with its cookie.
 */
async function sessionRequest(
  exchange: Exchange,
  fields: readonly string[],
  form: string,
): Promise<{ body: Record<string, unknown>; credentials: Credentials }> {
  const { request } = exchange
  exchange.refuseWhenClosing()
  const body = objectOf(await exchange.body(fields), form)
  return {
    body,
    credentials: {
      token: tokenOf(request, exchange.query, body),
      browsers: browserValues(request),
      address: addressOf(request),
    },
  }
}
