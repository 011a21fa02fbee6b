import { withTimeout } from '../support/scheduling.ts'
import type { Claims } from '../tokens/token.ts'

/** The values of a client that predicates decide on. */
type Client = Pick<Claims, 'identity' | 'given'>

/**
 * Holds the streams that are being admitted, while the server reads the data that decides on their rights.
 */
export class Openings {
  readonly #openings = new Map<Promise<boolean>, Client>()

  /** Remembers a stream until it is open or refused. */
  async run<T>(client: Client, open: () => Promise<T>): Promise<T> {
    const opening = open()
    const ended = opening.then(
      () => true,
      () => false,
    )
    this.#openings.set(ended, client)
    return opening.finally(() => this.#openings.delete(ended))
  }

  /**
   * Waits until the selected streams are open or refused, at most `ms` milliseconds. A stream that opens
   * later has passed the new checks.
   *
   * @returns a promise of the number of streams that opened
   */
  async opened(isMeant: (client: Client) => boolean, ms: number): Promise<number> {
    const meant = [...this.#openings].filter(([, client]) => isMeant(client)).map(([ended]) => ended)
    const opened = await Promise.all(meant.map((ended) => withTimeout(ended, ms)))
    return opened.filter((isOpen) => isOpen).length
  }
}
