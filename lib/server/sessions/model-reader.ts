import { ParticleError } from '../../errors.ts'
import { DocumentList } from '../../model/collection.ts'
import type { Document, Json } from '../../model/document.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import type { InitialModel } from '../../protocol/initial.ts'
import { type EventData, PROTOCOL, type ServerEvent } from '../../protocol/messages.ts'
import { NO_POSITION } from '../../protocol/position.ts'
import { ReceiverSink } from '../delivery/sink.ts'
import { rootOf } from './watches.ts'

/** Limits the wait for the sources, in milliseconds. A page must not wait longer for its data. */
const READ_TIMEOUT_MS = 10_000

/** Reads the events of one stream into a model, up to the stream's first `ready`. */
export class ModelReader {
  readonly sink = new ReceiverSink(
    (event, data, id) => this.#take({ event, data, id } as ServerEvent),
    (error) => this.#fail(error),
  )
  /** Resolves to the model without its token. Rejects with the first error of the stream. */
  readonly model: Promise<InitialModel>
  readonly #lists = new Map<string, DocumentList>()
  readonly #timer: NodeJS.Timeout
  #sources: EventData['manifest']['sources'] = {}
  #watch: EventData['watching']['watch']
  #resolve: (model: InitialModel) => void = () => {}
  #reject: (error: Error) => void = () => {}

  /** @param watch the watched roots that the stream is asked for */
  constructor(watch: EventData['watching']['watch']) {
    this.#watch = watch
    this.model = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.model.catch(() => {})
    this.#timer = setTimeout(() => {
      const seconds = READ_TIMEOUT_MS / 1000
      const sentence = `The sources did not answer within ${seconds} s: render the page without data`
      this.#fail(new ParticleError('TIMED_OUT', sentence))
    }, READ_TIMEOUT_MS).unref()
  }

  #take({ event, data, id }: ServerEvent): void {
    switch (event) {
      case 'manifest':
        this.#sources = data.sources
        break
      case 'watching':
        this.#sources = data.sources
        this.#watch = data.watch
        break
      case 'payload':
        if (data.part === 0) this.#lists.set(data.root, new DocumentList())
        this.#apply(data.root, data.data.map(insertion))
        break
      case 'delta':
        this.#apply(data.root, data.oplist)
        break
      case 'error':
        this.#fail(new ParticleError(data.code as ParticleError['code'], data.message))
        break
      case 'revoked':
        this.#fail(new ParticleError('UNAUTHORIZED', `Revoked: ${data.reason}`))
        break
      case 'ready':
        // Waits for the error of a root that is missing, which follows.
        if (!this.#watch.every((root) => Object.hasOwn(this.#sources, rootOf(root)))) break
        clearTimeout(this.#timer)
        this.#resolve(this.#modelAt(data.timestamp, id))
    }
  }

  #apply(root: string, oplist: readonly DocumentOperation[]): void {
    this.#lists.get(root)?.apply(oplist)
  }

  #modelAt(timestamp: string, position = ''): InitialModel {
    const roots = Object.keys(this.#sources)
    return {
      protocol: PROTOCOL,
      timestamp,
      sources: this.#sources,
      data: Object.fromEntries(roots.map((root) => [root, this.#lists.get(root)?.list ?? []])),
      position: position === NO_POSITION ? '' : position,
      ...(this.#watch.length > 0 && { watch: this.#watch }),
    }
  }

  #fail(error: Error): void {
    clearTimeout(this.#timer)
    this.#reject(error)
  }
}

function insertion(document: Document): DocumentOperation {
  return { operation: 'set', id: document._id ?? null, path: '.', data: document as Json }
}
