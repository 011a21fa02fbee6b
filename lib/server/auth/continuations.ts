import { type Grant, grantedAt, sameClient } from '../delivery/grant.ts'
import type { Dependencies } from '../relations/dependencies.ts'
import type { Claims } from '../tokens/token.ts'
import type { Admission } from './admitted.ts'
import type { Revocations } from './revocations.ts'

/** Identifies a client by its presented value and its identity. */
export type Client = Pick<Claims, 'given' | 'identity'>

/** Limits the number of sessions whose last admission is remembered. */
const MAX_SESSIONS = 10_000

/** Decides how much of an older token's grant stays valid after a new lookup. */
export class Continuations {
  readonly #rights: Revocations
  readonly #following: Dependencies
  readonly #byGiven: boolean
  /** The last admission of each session's streams, the oldest first. */
  readonly #last = new Map<string, Admission>()

  /** @param byGiven whether a lookup uses nothing but the presented value */
  constructor(rights: Revocations, following: Dependencies, byGiven: boolean) {
    this.#rights = rights
    this.#following = following
    this.#byGiven = byGiven
  }

  /**
   * Records the admission of a stream after a new lookup. An older token of the session (a cookie, for
   * example) then keeps the positions of that stream.
   */
  note(admission: Admission): void {
    this.#last.delete(admission.session)
    this.#last.set(admission.session, admission)
    this.sweep()
  }

  /** Forgets the sessions whose tokens have run out, and the oldest over the limit. */
  sweep(): void {
    for (const [session, oldest] of this.#last) {
      if (this.#last.size <= MAX_SESSIONS && this.#rights.reaches(oldest)) break
      this.#last.delete(session)
    }
  }

  /**
   * Returns the valid part of an older token's grant. The views of another client are granted from now. The
   * client's own views are granted from now after a decision on its rights, or after a change of the
   * documents that its identity depends on. The client may have lacked the rights meanwhile, and an older
   * position would replay the changes of that time. An open stream of the session proves that the client kept
   * its rights.
   *
   * @param moment the present, as the text of a point
   */
  grantOf(before: Claims, now: Client, moment: string): Grant {
    if (!before.since || !sameClient(before, now, this.#byGiven)) return grantedAt(moment, before)
    if (this.#isPresent(before, now)) return before
    const last = this.#last.get(before.session)
    const wentOn =
      last && last.at > before.at && sameClient(last, now, this.#byGiven) && this.#isPresent(last, now)
    return wentOn ? last : grantedAt(moment, before)
  }

  /** Checks that neither a decision nor a change of dependencies came after a lookup. */
  #isPresent(claims: Claims, { identity, given }: Client): boolean {
    if (this.#rights.judge(claims).stale) return false
    return this.#following.dependencies(identity, given) === (claims.dependencies ?? '')
  }
}
