import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import type { WatchEntry } from '../../protocol/watched-root.ts'
import type { RelatedValues } from '../registry/relation-steps.ts'
import type { Sources, Watched } from '../registry/sources.ts'
import { asError } from '../support/failure.ts'
import { withTimeout } from '../support/scheduling.ts'

/** Limits the wait for the application's `allow` or schema, in milliseconds. */
const ANSWER_TIMEOUT_MS = 5_000

/** Describes a refused root, and the reason. */
export interface Refusal {
  root: string
  code: 'FORBIDDEN' | 'INVALID_PARAMS' | 'LIMIT_EXCEEDED' | 'UNAVAILABLE'
  message: string
}

const TOO_SLOW = `did not answer within ${ANSWER_TIMEOUT_MS / 1000} s`
const FORBIDDEN = 'This client may not watch this root'

/** Checks which roots an identity may watch. */
export class Watches {
  readonly limit: number
  readonly #sources: Sources
  readonly #onError: (error: Error) => void

  /** @param limit the number of roots that one client may watch at a time */
  constructor(sources: Sources, limit: number, onError: (error: Error) => void) {
    this.#sources = sources
    this.limit = limit
    this.#onError = onError
  }

  /** Checks the entries of a client: their names, their parameters, and the application's `allow`. */
  async check(
    entries: readonly WatchEntry[],
    identity: Json,
  ): Promise<{ watched: Watched[]; refused: Refusal[] }> {
    const refused: Refusal[] = []
    const found = await Promise.all(
      entries.map(async (entry) => {
        const root = rootOf(entry)
        try {
          const watched = await this.#read(entry)
          const refusal = await this.#refusalOf(watched, identity)
          if (!refusal) return watched
          refused.push(refusal)
        } catch (error) {
          refused.push(this.failure(root, error))
        }
        return undefined
      }),
    )
    return { watched: found.filter((each) => each !== undefined), refused }
  }

  /** Asks the application's `allow` again for roots that a client watches. Returns the refusals. */
  async refusalsOf(watched: readonly Watched[], identity: Json): Promise<Refusal[]> {
    const refusals = await Promise.all(
      watched.map((each) =>
        this.#refusalOf(each, identity).catch((error: unknown) => this.failure(each.root, error)),
      ),
    )
    return refusals.filter((refusal) => refusal !== undefined)
  }

  /** Returns the keys of the entries' views. Entries that name no view are left out. */
  async keysOf(
    entries: readonly WatchEntry[],
    identity: Json,
    related: RelatedValues | undefined,
  ): Promise<{ root: string; key: string }[]> {
    const found = await Promise.all(
      entries.map(async (entry) => {
        try {
          return this.#sources.watchedView(await this.#read(entry), identity, related)
        } catch {
          return undefined
        }
      }),
    )
    return found.filter((view) => view !== undefined)
  }

  /** Reads an entry. A schema of the application may never answer. */
  async #read(entry: WatchEntry): Promise<Watched> {
    const watched = await withTimeout(this.#sources.watched(entry), ANSWER_TIMEOUT_MS)
    if (watched) return watched
    throw new ParticleError('CALLBACK_FAILED', `The params schema of ${rootOf(entry)} ${TOO_SLOW}`)
  }

  async #refusalOf(watched: Watched, identity: Json): Promise<Refusal | undefined> {
    const { root, source, params } = watched
    const { allow } = source.watch ?? {}
    if (!allow) return undefined
    const failed = (sentence: string, cause?: unknown) =>
      new ParticleError('CALLBACK_FAILED', `dataSources.${source.root}.allow ${sentence}`, { cause })
    const asked = (async () => ({ value: await allow(identity, params) }))().catch((cause: unknown) => {
      throw failed(`failed: ${cause instanceof Error ? cause.message : cause}`, cause)
    })
    const answer = await withTimeout(asked, ANSWER_TIMEOUT_MS)
    if (!answer) throw failed(TOO_SLOW)
    if (answer.value === true) return undefined
    if (answer.value === false) return forbidden(root)
    throw failed(`must return true or false, but returned ${typeof answer.value}`)
  }

  /** Reports why a root can't be watched, and refuses it to the client. */
  failure(root: string, error: unknown): Refusal {
    if (error instanceof ParticleError && error.code === 'INVALID_PARAMS')
      return { root, code: 'INVALID_PARAMS', message: error.message }
    this.#onError(asError(error, root))
    return { root, code: 'UNAVAILABLE', message: 'Something went wrong; try again later' }
  }
}

/** Refuses a root to a client. */
export function forbidden(root: string): Refusal {
  return { root, code: 'FORBIDDEN', message: FORBIDDEN }
}

/** Reports a refused root to the client. */
export function refusalEvent(data: Refusal): ServerEvent {
  return { event: 'error', data }
}

/** Returns the root of an entry. */
export function rootOf(entry: WatchEntry): string {
  return typeof entry === 'string' ? entry : entry.root
}

/** Returns the entry of a watched root, as events carry it. */
export function entryOf({ root, source, limit }: Watched): WatchEntry {
  return limit === undefined || limit === source.sortLimit?.limit ? root : { root, limit }
}
