import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { REPEATABLE } from '../../model/repeatable.ts'
import type { Adapter, Change, ChangeListener, Query, Reading, Subscription } from '../source.ts'
import { callback } from './call.ts'
import {
  byDocument,
  type CallbackDelta,
  type CallbackPayload,
  type CallbackSource,
  jsonOf,
  type OwnPosition,
  parseOplist,
} from './form.ts'

/** How often a payload is read again because of deltas that can't be repeated. */
const MAX_READINGS = 6
/**
 * How long a payload waits for `delta` to listen, in milliseconds. It may be short (a server that closes
 * waits for it too): where `delta` listens later, the payload is read again then.
 */
const START_TIMEOUT = 5_000
/** Half of how long to wait before the second reading, in milliseconds; it doubles each time. */
const READ_AGAIN = 5
/**
 * Paths of operations after which an element may not be found by its id any more: a later one would make
 * another element, each time.
 */
const TAKES_ID = /\](\._id)?$/

interface Seen {
  sequence: number
  position: OwnPosition | undefined
  repeatable: boolean
}

/** One callback source for one identity, in the form of an adapter with a single, nameless collection. */
export class CallbackAdapter implements Adapter {
  readonly name: string
  readonly #source: CallbackSource
  readonly #identity: Json
  readonly #onError: (error: ParticleError) => void
  readonly #startTimeout: number
  readonly #epoch = Math.random().toString(36).slice(2, 10)
  #sequence = 0
  #readings = new Set<Seen[]>()
  #lastOwn: OwnPosition | undefined

  /** `startTimeout` is how long `delta` may take until it listens, in milliseconds. */
  constructor(
    root: string,
    source: CallbackSource,
    identity: Json,
    onError: (error: ParticleError) => void,
    startTimeout = START_TIMEOUT,
  ) {
    this.name = root
    this.#source = source
    this.#identity = identity
    this.#onError = onError
    this.#startTimeout = startTimeout
  }

  async open(listener: ChangeListener): Promise<Subscription> {
    const position = this.#position()
    const { delta } = this.#source
    if (!delta) return { position, close: async () => {} }
    let open = true
    const emit = (event: CallbackDelta) => {
      if (open) this.#take(event, listener)
    }
    let starting: Promise<unknown>
    try {
      starting = started(delta(this.#identity as never, emit))
    } catch (cause) {
      open = false
      throw this.#failed('delta', 'threw', cause)
    }
    // A payload that is read before the application listens could miss what came in between.
    try {
      const inTime = await this.#inTime(starting)
      if (!inTime)
        void starting.then(
          () => emit({ oplist: [], reset: true }),
          () => {},
        )
    } catch (cause) {
      open = false
      throw this.#failed('delta', 'rejected', cause)
    }
    const stopping = starting.catch((cause: unknown) => {
      this.#onError(this.#failed('delta', 'rejected', cause))
    })
    return {
      position,
      close: async () => {
        // What happens while nobody listens is not told: the next opening is somewhere else.
        if (open) this.#sequence++
        open = false
        const close = await stopping
        if (typeof close !== 'function') return
        try {
          await close()
        } catch (cause) {
          this.#onError(this.#failed('delta', 'threw as it was stopped', cause))
        }
      },
    }
  }

  compare(a: string, b: string): number {
    const [epochA, countA] = split(a)
    const [epochB, countB] = split(b)
    return epochA === epochB ? countA - countB : Number.NaN
  }

  async read(
    _collection: string,
    _query: Query,
    each: (documents: Document[]) => void | Promise<void>,
  ): Promise<Reading> {
    const seen: Seen[] = []
    this.#readings.add(seen)
    try {
      for (let reading = 1; ; reading++) {
        seen.length = 0
        const start = this.#sequence
        const lastOwn = this.#lastOwn
        const payload = await callback<CallbackPayload>(
          `payload of ${this.name}`,
          this.#source.payload,
          (done) => [this.#identity, done],
          { arity: 2, onError: this.#onError },
        )
        const documents = this.#documents(payload)
        const span = this.#span(payload, start, lastOwn, seen)
        if (!span && reading < MAX_READINGS) {
          await new Promise((resolve) => setTimeout(resolve, READ_AGAIN * 2 ** reading))
          continue
        }
        if (!span) {
          this.#onError(
            new ParticleError(
              'SOURCE_FAILED',
              `payload of ${this.name}: each of ${MAX_READINGS} readings was overtaken by deltas that can't be repeated, or was older than a delta before it; the data may be wrong. Give payload and delta a position`,
            ),
          )
        }
        await each(documents)
        const { from, to } = span ?? { from: this.#sequence, to: this.#sequence }
        return { from: this.#position(from), to: this.#position(to), timestamp: isoTime(payload?.timestamp) }
      }
    } finally {
      this.#readings.delete(seen)
    }
  }

  /** Whether the promise resolves within the timeout; rejects with it. */
  async #inTime(starting: Promise<unknown>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => {
        const how = `gave a promise that did not resolve within ${this.#startTimeout} ms; it should, once changes are listened to`
        this.#onError(this.#failed('delta', how, undefined))
        resolve(false)
      }, this.#startTimeout)
    })
    try {
      return await Promise.race([starting.then(() => true), late])
    } finally {
      clearTimeout(timer)
    }
  }

  #position(sequence = this.#sequence): string {
    return `${this.#epoch}-${sequence}`
  }

  /**
   * Which changes may be in the payload and which are not; undefined when that can't be told and repeating
   * them would do harm.
   */
  #span(
    payload: CallbackPayload | undefined,
    start: number,
    lastOwn: OwnPosition | undefined,
    seen: readonly Seen[],
  ): { from: number; to: number } | undefined {
    const own = payload?.position
    // Read from a replica that lags: it lacks what was sent already, and is not sent again.
    if (own !== undefined && lastOwn !== undefined && order(own, lastOwn) < 0) return undefined
    if (own !== undefined && seen.every((change) => change.position !== undefined)) {
      let to = start
      for (const change of seen) {
        if (change.position !== undefined && order(change.position, own) <= 0) to = change.sequence
      }
      return { from: to, to }
    }
    return seen.every((change) => change.repeatable) ? { from: start, to: this.#sequence } : undefined
  }

  #documents(payload: CallbackPayload | undefined): Document[] {
    if (!payload || !Array.isArray(payload.data)) {
      throw new ParticleError(
        'SOURCE_FAILED',
        `payload of ${this.name} must answer with { data: [...], timestamp }`,
      )
    }
    return payload.data.map((value, index) => {
      const document = jsonOf(value, `payload of ${this.name}: data[${index}]`)
      if (
        typeof document !== 'object' ||
        document === null ||
        Array.isArray(document) ||
        document._id === undefined
      ) {
        throw new ParticleError(
          'SOURCE_FAILED',
          `payload of ${this.name}: data[${index}] is not a document with an _id`,
        )
      }
      return document
    })
  }

  #take(event: CallbackDelta, listener: ChangeListener): void {
    const sequence = ++this.#sequence
    const position = this.#position(sequence)
    let changes: Change[]
    let repeatable = true
    try {
      const reset = event?.reset === true
      const oplist = reset ? [] : parseOplist(event, this.name)
      repeatable = oplist.every(({ operation, path }) => REPEATABLE.has(operation) && !TAKES_ID.test(path))
      const common = { position, timestamp: isoTime(event.timestamp), collection: '', transaction: position }
      changes = reset
        ? [{ kind: 'reload', ...common }]
        : byDocument(oplist).map((operations) => ({ kind: 'update', ...common, ...operations }))
    } catch (error) {
      this.#onError(
        error instanceof ParticleError
          ? error
          : new ParticleError('INVALID_OPERATION', `delta of ${this.name}: ${error}`, { cause: error }),
      )
      changes = [{ kind: 'reload', position, timestamp: isoTime(undefined), collection: '' }]
    }
    if (event?.position !== undefined) this.#lastOwn = event.position
    for (const seen of this.#readings) seen.push({ sequence, position: event?.position, repeatable })
    listener.changes(changes, position)
  }

  #failed(what: string, how: string, cause: unknown): ParticleError {
    const message = cause instanceof Error ? `: ${cause.message}` : ''
    return new ParticleError('CALLBACK_FAILED', `${what} of ${this.name} ${how}${message}`, { cause })
  }
}

/** Resolves to the function that stops, once the application listens. */
async function started(given: unknown): Promise<unknown> {
  const stop = await given
  if (typeof stop !== 'function') return stop
  try {
    await (stop as { ready?: unknown }).ready
  } catch (error) {
    stop()
    throw error
  }
  return stop
}

function split(position: string): [string, number] {
  const at = position.lastIndexOf('-')
  return [position.slice(0, at), Number(position.slice(at + 1))]
}

function order(a: OwnPosition, b: OwnPosition): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function isoTime(value: unknown): string {
  const date =
    value instanceof Date
      ? value
      : typeof value === 'string' || typeof value === 'number'
        ? new Date(value)
        : new Date()
  return (Number.isNaN(date.getTime()) ? new Date() : date).toISOString()
}
