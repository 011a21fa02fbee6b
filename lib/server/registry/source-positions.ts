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

/** Seals texts, and opens those that it has sealed. */
interface Seal {
  seal(text: string): string
  open(text: string): string | undefined
}

/**
 * Creates and reads the positions that an application gives to clients: `<adapter>:<position>`, sealed. A
 * client could otherwise make up positions, and find by the answers how much others write, and when.
 */
export class SourcePositions {
  readonly #sources: Sources
  readonly #seal: Seal
  readonly #barriers = new WeakMap<Feed, Barrier>()

  constructor(sources: Sources, seal: Seal) {
    this.#sources = sources
    this.#seal = seal
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
    if (position !== undefined) return this.#seal.seal(`${feed.index}:${position}`)
    const why = cause === undefined ? `no answer came within ${POSITION_TIMEOUT_MS} ms` : String(cause)
    throw new ParticleError('SOURCE_FAILED', `The position of ${root} could not be read: ${why}`, { cause })
  }

  /** @throws ParticleError `INVALID_MESSAGE` for a text that is not a position of this server's sources */
  check(text: string): void {
    this.#parse(text)
  }

  /** Checks whether a text is a position of this server's sources. */
  has(text: string): boolean {
    return this.#find(text) !== undefined
  }

  /** Resolves to true after all changes up to a position were delivered here: see {@link Barrier.reached}. */
  reached(text: string, ms: number): Promise<boolean> {
    const { feed, position } = this.#parse(text)
    const barrier = this.#barriers.get(feed) ?? new Barrier(feed)
    this.#barriers.set(feed, barrier)
    return barrier.reached(position, ms)
  }

  #find(text: string): { feed: Feed; position: string } | undefined {
    const opened = text.length > MAX_LENGTH ? undefined : this.#seal.open(text)
    const [, index = '', position = ''] = FORM.exec(opened ?? '') ?? []
    const feed = index === '' ? undefined : this.#sources.feeds[Number(index)]
    return feed && { feed, position }
  }

  #parse(text: string): { feed: Feed; position: string } {
    const found = this.#find(text)
    if (found) return found
    throw new ParticleError(
      'INVALID_MESSAGE',
      'The text is no position that server.position(root) has returned here, or on a node with the same ' +
        'secret, path, roots and audience',
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
