import { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import { describeGiven } from '../../model/given.ts'
import { isObject, toJson } from '../../model/json.ts'
import type { InitialModel } from '../../protocol/initial.ts'
import { isWatchedRoot, type Params, watchedRoot } from '../../protocol/watched-root.ts'
import type { Admissions } from '../auth/admission.ts'
import type { Admitted } from '../auth/admitted.ts'
import { fingerprintsOf } from '../view/fingerprint.ts'
import { ModelReader } from './model-reader.ts'
import type { StreamRequest } from './opener.ts'
import type { Stream } from './stream.ts'

/**
 * Names the roots of a snapshot: one root, or a list of roots, where a source with parameters has its
 * parameters: `['users', ['messages', { room: 7 }]]`.
 */
export type SnapshotRoots = string | readonly (string | readonly [source: string, params: Params])[]

/** Reads the model of one moment for a page, by a stream that ends with its first `ready`. */
export class ModelSnapshots {
  readonly #admissions: Admissions
  /** The names of the sources. */
  readonly #roots: readonly string[]
  readonly #open: (admitted: Admitted, request: StreamRequest) => Stream | undefined

  constructor(
    admissions: Admissions,
    roots: readonly string[],
    open: (admitted: Admitted, request: StreamRequest) => Stream | undefined,
  ) {
    this.#admissions = admissions
    this.#roots = roots
    this.#open = open
  }

  /** Reads the model of an identity: see `Server.snapshot`. */
  async take(identity: unknown, roots?: SnapshotRoots, params?: Params): Promise<InitialModel> {
    const names = roots === undefined ? undefined : this.#namesOf(roots, params)
    const plain = names?.filter((name) => !isWatchedRoot(name))
    const watch = names?.filter(isWatchedRoot) ?? []
    const [given, request] = isRequest(identity) ? [null, identity] : [toJson(identity ?? null), undefined]
    const admission = await this.#admissions.identify(given, request)
    const reader = new ModelReader(watch)
    const stream = await this.#admissions.open(admission, false, (admitted) =>
      this.#open({ ...admitted, renewed: false }, { roots: plain, watch, open: () => reader.sink }),
    )
    try {
      const model = await reader.model
      return { ...model, token: await this.#tokenOf(stream, admission) }
    } finally {
      stream?.connection.close('snapshot-taken')
    }
  }

  /**
   * Seals a token that continues from the position, and opens no stream: whoever has the page has the token.
   */
  #tokenOf(stream: Stream | undefined, admission: NonNullable<Stream['admission']>): Promise<string> {
    const claims = stream?.admission ?? admission
    const views = stream?.connection.views ?? []
    // The position was given for these views, which may be fewer than those of the identity.
    const previous = fingerprintsOf(views.filter(({ root }) => !isWatchedRoot(root)))
    return this.#admissions.tokens.seal({ ...claims, previous, spent: true })
  }

  /** @throws ParticleError `INVALID_OPTION` for a root that the server does not have */
  #namesOf(roots: SnapshotRoots, params: Params | undefined): string[] {
    const list =
      typeof roots === 'string' ? [params === undefined ? roots : ([roots, params] as const)] : roots
    const refuse = (sentence: string): never => {
      throw new ParticleError('INVALID_OPTION', `snapshot(identity, roots, params): ${sentence}`)
    }
    if (!Array.isArray(list))
      return refuse(
        `roots is a name, or a list such as ['users', ['messages', { room: 7 }]], but ${describeGiven(list)}`,
      )
    return list.map((each: unknown) => {
      const [source, values] = Array.isArray(each) ? each : [each]
      if (typeof source !== 'string' || (Array.isArray(each) && !isObject(values)))
        return refuse(
          "roots lists names and pairs, such as ['users', ['messages', { room: 7 }]], " +
            `but has ${JSON.stringify(each)}`,
        )
      if (!this.#roots.includes(source))
        return refuse(`there is no source "${source}"; known are ${this.#roots.join(', ')}`)
      return values === undefined ? source : watchedRoot(source, values)
    })
  }
}

/** Checks for a request of Node's http or http2, which Express and others extend. */
function isRequest(value: unknown): value is IncomingMessage {
  return value instanceof IncomingMessage || typeof Object(Object(value).stream).respond === 'function'
}
