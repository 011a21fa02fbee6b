import type { ServerEvent } from '../../protocol/messages.ts'
import type { Admission } from '../auth/admitted.ts'
import type { Connection } from '../delivery/connection.ts'
import type { Watching } from '../relations/dependencies.ts'
import type { RelationResolver } from '../relations/relations.ts'
import type { RenewalRequest } from './renewal.ts'

/** Ends a stream whose client's identity is refused by now. */
export const REFUSED: ServerEvent = { event: 'revoked', data: { reason: 'identity-refused' } }

/** Ends a stream whose client did not renew its token in time. */
export const TOO_LATE: ServerEvent = {
  event: 'error',
  data: { code: 'TOKEN_EXPIRED', message: 'The client did not present itself anew in time' },
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
  renewing?: Promise<void> | undefined
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
