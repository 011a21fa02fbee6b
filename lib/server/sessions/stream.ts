import type { ServerEvent } from '../../protocol/messages.ts'
import type { Origin } from '../auth/address.ts'
import type { Admission } from '../auth/admitted.ts'
import type { Connection } from '../delivery/connection.ts'
import type { Watched } from '../registry/sources.ts'
import type { Watching } from '../relations/dependencies.ts'
import type { RelationResolver } from '../relations/relations.ts'
import type { Coalesced } from '../support/coalesced.ts'
import { type RenewalReason, RenewalRequest } from './renewal.ts'
import type { Refusal } from './watches.ts'

/** Ends a stream whose identity is now refused. */
export const REFUSED: ServerEvent = { event: 'revoked', data: { reason: 'identity-refused' } }

/** Ends a stream whose client did not renew its token in time. */
const TOO_LATE: ServerEvent = {
  event: 'error',
  data: { code: 'TOKEN_EXPIRED', message: 'The client did not renew its token in time' },
}

/** The random part of a stream's life. Streams that began together then don't reconnect together. */
const CHANCE = 0.1

/** Chooses the end of a new stream's life, in milliseconds since the epoch. */
export function endOfLife(ms: number): number {
  return Date.now() + ms * (1 - CHANCE * Math.random())
}

/** Describes an open stream. */
export interface Stream {
  readonly connection: Connection
  /** The roots without parameters that the stream has. Default: all that its identity may see. */
  readonly roots?: readonly string[] | undefined
  /** The roots that the client watches, by name. */
  watched: ReadonlyMap<string, Watched>
  /** The changes of the watched roots, which happen one after the other. */
  watchWork?: Promise<unknown>
  /** The roots that were refused before the stream began. */
  refused?: Refusal[]
  admission: Admission | undefined
  /** Whether only a handshake of the client can renew its token. */
  readonly asks: boolean
  /** The pending request for a handshake. */
  request?: RenewalRequest | undefined
  /** Whether the stream has a newer token than its client. */
  renewed: boolean
  begun?: boolean
  /** The relations of the identity. */
  related?: RelationResolver | undefined
  /** The documents that the identity depends on. */
  watching?: Watching | undefined
  /** Resolves after the lookup that follows their last change. */
  looked?: Promise<void> | undefined
  /** The renewals of the rights, which run one after the other. */
  renewals?: Coalesced | undefined
  /** Whether the stream must end when its rights can't be looked up. */
  mustRenew?: boolean
  /** The origin of the stream; undefined for a client of this process. */
  origin?: Origin | undefined
  /** The key of the identity that the stream counts under. */
  key?: string | undefined
  /**
   * The end of the stream's life, in milliseconds since the epoch; undefined for a client of this process.
   */
  endsAt?: number | undefined
}

/**
 * Asks the client of a stream for a new handshake. A second call joins the pending request.
 *
 * @returns a promise that resolves after the handshake, or after the end of the stream
 */
export function askForHandshake(stream: Stream, reason: RenewalReason, within: number): Promise<void> {
  const { connection, request } = stream
  if (request) {
    request.hurry(within)
    return request.settled
  }
  const made = new RenewalRequest(reason, within, () => connection.end(TOO_LATE))
  stream.request = made
  if (stream.begun) sendRequest(stream)
  return made.settled
}

/** Sends a stream's pending request for a handshake. */
export function sendRequest({ connection, request }: Stream): void {
  if (!request) return
  connection.send({ event: 'renew', data: { reason: request.reason, within: request.within } })
}

/**
 * Resolves when the rights of a stream are known: while documents that they depend on are read again, the
 * known ones may be out of date.
 */
export async function rightsKnown(stream: Stream): Promise<void> {
  await waitForRights(stream, async ({ related, watching, looked }) => {
    await related?.fresh()
    if (watching?.isStale) await watching.settled()
    await looked
  })
}

/** Resolves when all documents that the rights of a stream depend on were read. */
export async function rightsRead(stream: Stream): Promise<void> {
  await waitForRights(stream, ({ related, watching }) =>
    Promise.all([related?.settled(), watching?.settled()]),
  )
}

/**
 * Waits for the relations and documents that the rights of a stream depend on. Waits again after a new grant,
 * which replaces them: the wait for the earlier ones has ended, and the new ones may not be read yet.
 */
async function waitForRights(stream: Stream, wait: (parts: Stream) => Promise<unknown>): Promise<void> {
  for (;;) {
    const { related, watching, looked } = stream
    await wait(stream)
    if (stream.related === related && stream.watching === watching && stream.looked === looked) return
  }
}

/** Checks whether the lookup of one admission began after that of another. */
export function isNewer(admission: Admission | undefined, than: Admission): boolean {
  return admission !== undefined && admission.at > than.at
}
