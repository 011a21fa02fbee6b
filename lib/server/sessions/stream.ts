import type { ServerEvent } from '../../protocol/messages.ts'
import type { Origin } from '../auth/address.ts'
import type { Admission } from '../auth/admitted.ts'
import type { Connection } from '../delivery/connection.ts'
import type { Watching } from '../relations/dependencies.ts'
import type { RelationResolver } from '../relations/relations.ts'
import type { Coalesced } from '../support/coalesced.ts'
import { type RenewalReason, RenewalRequest } from './renewal.ts'

/** Ends a stream whose client's identity is refused by now. */
export const REFUSED: ServerEvent = { event: 'revoked', data: { reason: 'identity-refused' } }

/** Ends a stream whose client did not renew its token in time. */
const TOO_LATE: ServerEvent = {
  event: 'error',
  data: { code: 'TOKEN_EXPIRED', message: 'The client did not present itself anew in time' },
}

/** A tenth of a stream's life is left to chance: streams that began together don't come back together. */
const CHANCE = 0.1

/** When a stream of that life ends, in milliseconds since the epoch. */
export function endOfLife(ms: number): number {
  return Date.now() + ms * (1 - CHANCE * Math.random())
}

/** An open stream. */
export interface Stream {
  readonly connection: Connection
  admission: Admission | undefined
  /** Whether only a handshake of its client can renew its token. */
  readonly asks: boolean
  /** The client was asked for a handshake, and has not made it yet. */
  request?: RenewalRequest | undefined
  /** Its token is a newer one than the client has. */
  renewed: boolean
  begun?: boolean
  /** What its identity is related to. */
  related?: RelationResolver | undefined
  /** What its identity depends on. */
  watching?: Watching | undefined
  /** What is being done about its rights: one thing after the other. */
  renewals?: Coalesced | undefined
  /** Whether it is to end where its rights can't be looked up anew. */
  mustRenew?: boolean
  /** From where it was asked for; undefined for a client of this process. */
  origin?: Origin | undefined
  /** Under which name it counts as a stream of its identity. */
  key?: string | undefined
  /**
   * When it is to end, in milliseconds since the epoch: so that no stream lives for ever. Undefined for a
   * client of this process.
   */
  endsAt?: number | undefined
}

/**
 * Asks the client of a stream for a new handshake, once at a time.
 * @returns resolves when it came, or the stream has ended
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

/** Sends a stream's request for a handshake, where there is one. */
export function sendRequest({ connection, request }: Stream): void {
  if (!request) return
  connection.send({ event: 'renew', data: { reason: request.reason, within: request.within } })
}

/** Whether the lookup of an admission began after that of another one. */
export function isNewer(admission: Admission | undefined, than: Admission): boolean {
  return admission !== undefined && admission.at > than.at
}

/**
 * Finds the open streams of a session. There are several where a client came back before the server knew that
 * its last connection was dead.
 */
export class SessionStreams {
  readonly #streams = new Map<string, Set<Stream>>()

  add(stream: Stream): void {
    if (!stream.admission) return
    const { session } = stream.admission
    this.#streams.set(session, (this.#streams.get(session) ?? new Set()).add(stream))
  }

  delete(stream: Stream): void {
    const session = stream.admission?.session ?? ''
    const streams = this.#streams.get(session)
    streams?.delete(stream)
    if (streams?.size === 0) this.#streams.delete(session)
  }

  of(session: string): Stream[] {
    return [...(this.#streams.get(session) ?? [])]
  }

  /**
   * Finds those whose lookup began before a time: a later handshake may have been faster, and found another
   * user.
   */
  before(session: string, at: number): Stream[] {
    return this.of(session).filter(({ admission }) => (admission?.at ?? 0) <= at)
  }
}
