import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { toJson } from '../../model/json.ts'
import { type DocumentOperation, OPERATIONS, type Operation } from '../../model/operation.ts'
import { parsePath } from '../../model/path.ts'
import { notKnown } from '../../model/unknown.ts'
import { DEFAULTS } from '../../model/value.ts'

/** A position of the application's own: compared as numbers (dates too) or as strings. */
export type OwnPosition = number | string | Date

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
    /** The document's `_id`; it may be given as `_id` too. Only a `noop` needs none. */
    id?: unknown
    _id?: unknown
    /** Only a `noop` needs none. */
    path?: string
    /** Left out, it is 1 for `inc` and `pop`. */
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
  /**
   * Calls the listener for each delta from now on, until the function that it returns is called. It may
   * return a promise of one, or one with a promise `ready` (as `MongoWatch` does), which resolves once
   * changes are listened to: the payload is read only then.
   */
  delta?: ((identity: Identity, listener: (delta: CallbackDelta) => void) => unknown) | undefined
}

/**
 * The operations of a delta, checked.
 * @throws ParticleError `INVALID_OPERATION` or `INVALID_PATH` that names the root and the operation.
 */
export function parseOplist(event: CallbackDelta, root: string): DocumentOperation[] {
  if (typeof event !== 'object' || event === null || !Array.isArray(event.oplist)) {
    throw new ParticleError('INVALID_OPERATION', `delta of ${root} must give { timestamp, oplist: [...] }`)
  }
  return event.oplist.flatMap((given: CallbackDelta['oplist'][number], index) => {
    const where = `delta of ${root}: oplist[${index}]`
    const operation = OPERATIONS.find((name) => name === given?.operation)
    if (!operation)
      throw new ParticleError(
        'INVALID_OPERATION',
        `${where} has no known operation: ${notKnown(given?.operation, OPERATIONS)}`,
      )
    const { path, data = DEFAULTS[operation], keys, _id, id = _id } = given
    const isAbout = id !== undefined && id !== null
    if (operation === 'noop' && (!isAbout || path === undefined)) return []
    if (!isAbout) throw new ParticleError('INVALID_OPERATION', `${where} has no id`)
    if (typeof path !== 'string') throw new ParticleError('INVALID_PATH', `${where} has no path`)
    try {
      parsePath(path)
    } catch (cause) {
      throw new ParticleError('INVALID_PATH', `${where}: ${(cause as Error).message}`, { cause })
    }
    return {
      operation,
      id: jsonOf(id, where),
      path,
      ...(data === undefined ? {} : { data: jsonOf(data, where) }),
      ...(keys ? { keys } : {}),
    }
  })
}

/** Turns what a callback gave into JSON. @throws ParticleError `INVALID_OPERATION` for what has no JSON form */
export function jsonOf(value: unknown, where: string): Json {
  try {
    return toJson(value)
  } catch (cause) {
    // JSON.stringify exhausts the stack (RangeError) at some ten thousand levels.
    const why =
      cause instanceof RangeError ? 'is nested too deep' : `has no JSON form: ${(cause as Error).message}`
    throw new ParticleError('INVALID_OPERATION', `${where} ${why}`, { cause })
  }
}

/** The operations of each document, in order. */
export function byDocument(oplist: readonly DocumentOperation[]): { id: Json; operations: Operation[] }[] {
  const documents = new Map<string, { id: Json; operations: Operation[] }>()
  for (const { id, ...operation } of oplist) {
    const key = idKey(id)
    const known = documents.get(key)
    if (known) known.operations.push(operation)
    else documents.set(key, { id, operations: [operation] })
  }
  return [...documents.values()]
}
