import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { toJson } from '../../model/json.ts'
import { type DocumentOperation, OPERATIONS, type Operation } from '../../model/operation.ts'
import { parsePath } from '../../model/path.ts'
import type { Adapter, Change, ChangeListener, Query, Reading, Subscription } from '../source.ts'
import { callback } from './call.ts'

/** A position of the application's own: compared as numbers (dates too) or as strings. */
type OwnPosition = number | string | Date

/** What `payload` answers with. */
export interface CallbackPayload {
  /** The documents, each with its `_id`. */
  data: readonly unknown[]
  /** When the data was current. */
  timestamp?: Date | string | number
  /** Everything up to this position is in the data; deltas that name a position then meet it exactly. */
  position?: OwnPosition
}

/** What `delta` hands to its listener. */
export interface CallbackDelta {
  timestamp?: Date | string | number
  oplist: readonly {
    operation: string
    id: unknown
    path: string
    data?: unknown
    keys?: readonly (string | number)[]
  }[]
  position?: OwnPosition
  /** The operations can't tell what happened (a collection was dropped): the payload is to be read again. */
  reset?: boolean
}

/** The 2013 form of a data source: two functions of the application's. */
export interface CallbackSource<Identity = never> {
  payload: (identity: Identity, done: (error?: unknown, payload?: CallbackPayload) => void) => unknown
  delta?: ((identity: Identity, listener: (delta: CallbackDelta) => void) => unknown) | undefined
}

/** How often a payload is read again because of deltas that can't be repeated. */
const MOST_READINGS = 6

/** Operations that leave the same when a document that has them already gets them, and all that followed, once more. */
const REPEATABLE = new Set(['set', 'unset', 'truncate', 'min', 'max', 'noop'])

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
  readonly #epoch = Math.random().toString(36).slice(2, 10)
  #sequence = 0
  #readings = new Set<Seen[]>()
  #lastOwn: OwnPosition | undefined

  constructor(root: string, source: CallbackSource, identity: Json, onError: (error: ParticleError) => void) {
    this.name = root
    this.#source = source
    this.#identity = identity
    this.#onError = onError
  }

  async open(listener: ChangeListener): Promise<Subscription> {
    const position = this.#position()
    const { delta } = this.#source
    if (!delta) return { position, close: async () => {} }
    let open = true
    const emit = (event: CallbackDelta) => {
      if (open) this.#take(event, listener)
    }
    let stop: unknown
    try {
      stop = delta(this.#identity as never, emit)
    } catch (cause) {
      throw this.#failed('delta', 'threw', cause)
    }
    const stopping = Promise.resolve(stop).catch((cause: unknown) => {
      this.#onError(this.#failed('delta', 'rejected', cause))
    })
    return {
      position,
      close: async () => {
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
        if (!span && reading < MOST_READINGS) continue
        if (!span) {
          this.#onError(
            new ParticleError(
              'SOURCE_FAILED',
              `payload of ${this.name}: each of ${MOST_READINGS} readings was overtaken by deltas that can't be repeated; the data may hold some of them twice. Give payload and delta a position`,
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

  #position(sequence = this.#sequence): string {
    return `${this.#epoch}-${sequence}`
  }

  /** Which changes may be in the payload and which are not; undefined when that can't be told and repeating them would do harm. */
  #span(
    payload: CallbackPayload | undefined,
    start: number,
    lastOwn: OwnPosition | undefined,
    seen: readonly Seen[],
  ): { from: number; to: number } | undefined {
    const own = payload?.position
    if (
      own !== undefined &&
      (lastOwn === undefined || order(own, lastOwn) >= 0) &&
      seen.every((change) => change.position !== undefined)
    ) {
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
      const document = toJson(value)
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
      const oplist = event.reset ? [] : parseOplist(event, this.name)
      repeatable = oplist.every((operation) => REPEATABLE.has(operation.operation))
      const common = { position, timestamp: isoTime(event.timestamp), collection: '', transaction: position }
      changes = event.reset
        ? [{ kind: 'reload', ...common }]
        : byDocument(oplist).map((operations) => ({ kind: 'update', ...common, ...operations }))
    } catch (error) {
      this.#onError(error as ParticleError)
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

function parseOplist(event: CallbackDelta, root: string): DocumentOperation[] {
  if (typeof event !== 'object' || event === null || !Array.isArray(event.oplist)) {
    throw new ParticleError('INVALID_OPERATION', `delta of ${root} must give { timestamp, oplist: [...] }`)
  }
  return event.oplist.map((given: CallbackDelta['oplist'][number], index) => {
    const where = `delta of ${root}: oplist[${index}]`
    const operation = OPERATIONS.find((name) => name === given?.operation)
    if (!operation)
      throw new ParticleError(
        'INVALID_OPERATION',
        `${where} has no known operation; known are ${OPERATIONS.join(', ')}`,
      )
    if (given.id === undefined || given.id === null)
      throw new ParticleError('INVALID_OPERATION', `${where} has no id`)
    if (typeof given.path !== 'string') throw new ParticleError('INVALID_PATH', `${where} has no path`)
    parsePath(given.path)
    return {
      operation,
      id: toJson(given.id),
      path: given.path,
      ...(given.data === undefined ? {} : { data: toJson(given.data) }),
      ...(given.keys ? { keys: given.keys } : {}),
    }
  })
}

function byDocument(oplist: readonly DocumentOperation[]): { id: Json; operations: Operation[] }[] {
  const documents = new Map<string, { id: Json; operations: Operation[] }>()
  for (const { id, ...operation } of oplist) {
    const key = idKey(id)
    const known = documents.get(key)
    if (known) known.operations.push(operation)
    else documents.set(key, { id, operations: [operation] })
  }
  return [...documents.values()]
}
