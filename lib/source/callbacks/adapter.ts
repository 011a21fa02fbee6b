import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { REPEATABLE } from '../../model/repeatable.ts'
import type { Adapter, Change, ChangeListener, EachBatch, Query, Reading, Subscription } from '../source.ts'
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

/** Limits the reads of a payload that is overtaken by deltas that can't be repeated. */
const MAX_READINGS = 6
/**
 * Limits the wait for `delta` to follow changes before a payload is read, in milliseconds. A short limit is
 * enough, because the payload is read again when `delta` is late. A closing server waits for `delta` too.
 */
const START_TIMEOUT_MS = 5_000
/** Sets half of the delay before the second read, in milliseconds. The delay doubles each time. */
const READ_AGAIN_MS = 5
/**
 * Matches paths of operations that may change an element's id. Such an operation, repeated, would not find
 * the element, and would create another one.
 */
const TAKES_ID = /\](\._id)?$/
const OVERTAKEN =
  "was overtaken by deltas that can't be repeated, or was older than a delta before it; " +
  'the data may be wrong. Give payload and delta a position'

interface Seen {
  sequence: number
  position: OwnPosition | undefined
  repeatable: boolean
}

/** Adapts one callback source of one identity to an adapter with a single, nameless collection. */
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

  /** @param startTimeout limits the time until `delta` follows changes, in milliseconds */
  constructor(
    root: string,
    source: CallbackSource,
    identity: Json,
    onError: (error: ParticleError) => void,
    startTimeout = START_TIMEOUT_MS,
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
      if (open) this.#receive(event, listener)
    }
    let starting: Promise<unknown>
    try {
      starting = started(delta(this.#identity as never, emit))
    } catch (cause) {
      open = false
      throw this.#failed('delta', 'threw', cause)
    }
    // Waits until the application follows changes. A payload that is read earlier could miss a change.
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
        // Moves the position, because changes after the close are not reported. The next opening starts at a
        // new position.
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

  async read(_collection: string, _query: Query, each: EachBatch): Promise<Reading> {
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
          await new Promise((resolve) => setTimeout(resolve, READ_AGAIN_MS * 2 ** reading))
          continue
        }
        if (!span) {
          this.#onError(
            new ParticleError(
              'SOURCE_FAILED',
              `payload of ${this.name}: each of ${MAX_READINGS} readings ${OVERTAKEN}`,
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

  /** Checks that the promise resolves within the timeout. Rejects with the promise's error. */
  async #inTime(starting: Promise<unknown>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => {
        const late = `gave a promise that did not resolve within ${this.#startTimeout} ms`
        this.#onError(this.#failed('delta', `${late}; it should, once changes are listened to`, undefined))
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
   * Returns the range of changes that the payload may contain. Returns undefined when the range is unknown
   * and repeating the changes would do harm.
   */
  #span(
    payload: CallbackPayload | undefined,
    start: number,
    lastOwn: OwnPosition | undefined,
    seen: readonly Seen[],
  ): { from: number; to: number } | undefined {
    const own = payload?.position
    // Refuses the payload of a replica that lags. The payload lacks deltas that will not be sent again.
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

  #receive(event: CallbackDelta, listener: ChangeListener): void {
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

/** Resolves to the function that stops `delta`, when the application follows changes. */
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
