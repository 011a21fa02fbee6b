import type { WatchEntry } from '../../protocol/watched-root.ts'
import type { Admissions } from '../auth/admission.ts'
import type { AdmissionControl } from '../auth/admission-control.ts'
import type { Credentials } from '../auth/admitted.ts'
import type { Barriers } from './barriers.ts'
import type { Stream } from './stream.ts'
import type { Streams } from './streams.ts'
import { entryOf, type Refusal } from './watches.ts'

/** Answers requests of clients about their open streams. */
export class SessionRequests {
  readonly #admissions: Admissions
  readonly #streams: Streams
  readonly #control: AdmissionControl
  readonly #barriers: Barriers

  constructor(admissions: Admissions, streams: Streams, control: AdmissionControl, barriers: Barriers) {
    this.#barriers = barriers
    this.#admissions = admissions
    this.#streams = streams
    this.#control = control
  }

  /**
   * Reports positions to the session's streams here: see {@link Barriers.report}. Throws the errors of that,
   * and of a request.
   */
  async reached(credentials: Credentials, positions: readonly string[]): Promise<boolean> {
    this.#barriers.check(positions)
    return this.#run(credentials, async (stream) => {
      this.#barriers.report(stream, positions)
      return true
    })
  }

  /**
   * Changes the roots that the session's streams here watch: see {@link StreamViews.watch}. Throws the errors
   * of a request.
   *
   * @returns whether there is such a stream, the refused roots, and all roots that are watched now
   */
  async watch(
    credentials: Credentials,
    add: readonly WatchEntry[],
    remove: readonly string[],
  ): Promise<{ live: boolean; refused: Refusal[]; watch: WatchEntry[] }> {
    const refused = new Map<string, Refusal>()
    const watched = new Map<string, WatchEntry>()
    const live = await this.#run(credentials, async (stream) => {
      // A stream that has not begun would keep all refusals until then.
      if (!stream.begun) return false
      for (const each of await this.#streams.views.watch(stream, add, remove)) refused.set(each.root, each)
      for (const each of stream.watched.values()) watched.set(each.root, entryOf(each))
      return true
    })
    return { live, refused: [...refused.values()], watch: [...watched.values()] }
  }

  /**
   * Calls `act` for each open stream of the request's session on this node. A session has several when a
   * client reconnects before the server notices that its last connection is dead.
   *
   * @returns whether `act` returned true for such a stream; otherwise another node may have it
   * @throws ParticleError `UNAUTHORIZED` or `TOO_MANY_REQUESTS`, and the errors of `act`
   */
  async #run(credentials: Credentials, act: (stream: Stream) => Promise<boolean>): Promise<boolean> {
    const answered = this.#control.request(credentials.address)
    try {
      const session = await this.#admissions.sessionOf(credentials)
      const streams = session === undefined ? [] : this.#streams.of(session)
      const done = await Promise.all(streams.map(act))
      return done.includes(true)
    } finally {
      answered()
    }
  }
}
