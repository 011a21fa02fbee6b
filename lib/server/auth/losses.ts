import { Regrants } from '../delivery/grant.ts'
import type { Moments } from '../registry/moments.ts'
import { fingerprint } from '../view/fingerprint.ts'

/** Limits the lost roots that are remembered for each session. */
const MAX_ROOTS = 20

/**
 * Remembers when sessions lacked the right to watched roots. A position from before could otherwise show the
 * changes of that time, once the session has the right again. Tokens list no watched roots.
 */
export class Losses {
  // Apart from the changes of views, since any client can ask for roots that it may not watch.
  readonly #regrants = new Regrants(MAX_ROOTS)
  readonly #moments: Moments

  constructor(moments: Moments) {
    this.#moments = moments
  }

  /** Records that a session lacks the right to roots now. */
  async note(session: string, roots: readonly string[]): Promise<void> {
    const lost = roots.map(fingerprint)
    this.#regrants.regrant(session, lost, this.#moments.now)
    // Asks the stores that nobody follows now, whose changes of that time may be read later.
    this.#regrants.regrant(session, lost, await this.#moments.ask())
  }

  /** Copies the losses of a session to another session. */
  copy(from: string, to: string): void {
    this.#regrants.copy(from, to)
  }

  /**
   * Returns the last moment at which a session may have lacked the right to a root, as the text of a point.
   */
  momentOf(session: string, root: string): string | undefined {
    return this.#regrants.momentOf(session, fingerprint(root))
  }
}
