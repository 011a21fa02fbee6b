import { withTimeout } from '../support/scheduling.ts'
import type { Claims } from '../tokens/token.ts'

/** By what a predicate tells whether a client is meant. */
type Client = Pick<Claims, 'identity' | 'given'>

/** Holds the streams that are being admitted: what decides on their rights is being read. */
export class Openings {
  readonly #openings = new Map<Promise<boolean>, Client>()

  /** Keeps a stream in mind until it is open, or refused. */
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
   * Waits until those that are meant were opened or refused. After `ms` it waits no longer: no stream opens
   * under rights of before a decision.
   * @returns resolves to how many were opened
   */
  async opened(isMeant: (client: Client) => boolean, ms: number): Promise<number> {
    const meant = [...this.#openings].filter(([, client]) => isMeant(client)).map(([ended]) => ended)
    const opened = await Promise.all(meant.map((ended) => withTimeout(ended, ms)))
    return opened.filter((isOpen) => isOpen).length
  }
}
