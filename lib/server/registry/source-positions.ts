import { ParticleError } from '../../errors.ts'
import { Barrier } from '../feed/barrier.ts'
import type { Feed } from '../feed/feed.ts'
import { withTimeout } from '../support/scheduling.ts'
import type { Sources } from './sources.ts'

/** Limits the wait for a source's position, in milliseconds. */
const POSITION_TIMEOUT_MS = 5_000

/** Limits the text of a position, in characters. */
const MAX_LENGTH = 500

const FORM = /^(\d{1,4}):([\w.~-]{1,300})$/

/**
 * Creates and reads the positions that an application gives to clients: base64url of `<adapter>:<position>`.
 */
export class SourcePositions {
  readonly #sources: Sources
  readonly #barriers = new WeakMap<Feed, Barrier>()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  /**
   * Asks the source of a root for its present position.
   *
   * @throws ParticleError `INVALID_OPTION` for a root without a position; `SOURCE_FAILED` when the source
   *   gives none in time
   */
  async ask(root: string): Promise<string> {
    const feed = this.#sources.feedOfRoot(root)
    if (feed?.index === undefined) throw this.#withoutPosition(root)
    let cause: unknown
    const asked = feed.ask().catch((error: unknown) => {
      cause = error
      return undefined
    })
    const position = await withTimeout(asked, POSITION_TIMEOUT_MS)
    if (position !== undefined) return Buffer.from(`${feed.index}:${position}`).toString('base64url')
    const why = cause === undefined ? `no answer came within ${POSITION_TIMEOUT_MS} ms` : String(cause)
    throw new ParticleError('SOURCE_FAILED', `The position of ${root} could not be read: ${why}`, { cause })
  }

  /** @throws ParticleError `INVALID_MESSAGE` for a text that is not a position of this server's sources */
  check(text: string): void {
    this.#parse(text)
  }

  /** Resolves to true after all changes up to a position were delivered here: see {@link Barrier.reached}. */
  reached(text: string, ms: number): Promise<boolean> {
    const { feed, position } = this.#parse(text)
    const barrier = this.#barriers.get(feed) ?? new Barrier(feed)
    this.#barriers.set(feed, barrier)
    return barrier.reached(position, ms)
  }

  #parse(text: string): { feed: Feed; position: string } {
    const decoded = text.length > MAX_LENGTH ? '' : Buffer.from(text, 'base64url').toString()
    const [, index = '', position = ''] = FORM.exec(decoded) ?? []
    const feed = index === '' ? undefined : this.#sources.feeds[Number(index)]
    if (feed) return { feed, position }
    throw new ParticleError(
      'INVALID_MESSAGE',
      'The text is no position that server.position(root) has returned',
    )
  }

  #withoutPosition(root: string): ParticleError {
    const isKnown = this.#sources.roots.includes(root)
    return new ParticleError(
      'INVALID_OPTION',
      isKnown
        ? `position(root): ${root} is a source of callbacks, which has no position that all nodes know`
        : `position(root): there is no source ${root}, only ${this.#sources.roots.join(', ')}`,
    )
  }
}
