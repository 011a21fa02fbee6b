import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { toJson } from '../../model/json.ts'
import { type DocumentOperation, OPERATIONS, type Operation } from '../../model/operation.ts'
import { parsePath } from '../../model/path.ts'
import { notKnown } from '../../model/unknown.ts'
import { DEFAULTS } from '../../model/value.ts'

/** Describes a position of the application, compared as numbers (dates too) or as strings. */
export type OwnPosition = number | string | Date

/** Describes the answer of `payload`. */
export interface CallbackPayload {
  /** The documents, each with its `_id`. */
  data: readonly unknown[]
  /** The time of the data. */
  timestamp?: Date | string | number
  /**
   * The position of the data, which contains all changes up to it. Deltas with a position then continue
   * exactly.
   */
  position?: OwnPosition
}

/** Describes one call of the listener by `delta`. */
export interface CallbackDelta {
  timestamp?: Date | string | number
  oplist: readonly {
    operation: string
    /** The document's `_id`, which may also be given as `_id`. Only a `noop` may leave it out. */
    id?: unknown
    _id?: unknown
    /** The path of the change. Only a `noop` may leave it out. */
    path?: string
    /** The operation's data. Default: 1 for `inc` and `pop`. */
    data?: unknown
    keys?: readonly (string | number)[]
  }[]
  position?: OwnPosition
  /**
   * Requests a new read of the payload, for a change without operations (a dropped collection, for example).
   */
  reset?: boolean
}

/** Describes a data source by two functions of the application, as in the version of 2013. */
export interface CallbackSource<Identity = never> {
  payload: (identity: Identity, done: (error?: unknown, payload?: CallbackPayload) => void) => unknown
  /**
   * Calls the listener for each delta until the returned function is called. May return a promise of that
   * function, or a function with a promise `ready` (as `MongoWatch` does), which resolves when the
   * application follows the changes. The server reads the payload after that.
   */
  delta?: ((identity: Identity, listener: (delta: CallbackDelta) => void) => unknown) | undefined
}

/**
 * Checks the operations of a delta.
 *
 * @throws ParticleError `INVALID_OPERATION` or `INVALID_PATH` that names the root and the operation
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
    if (!isAbout)
      throw new ParticleError('INVALID_OPERATION', `${where} has no id: give the _id of its document`)
    if (typeof path !== 'string')
      throw new ParticleError(
        'INVALID_PATH',
        `${where} has no path: give a dotted path, or "." for the whole document`,
      )
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

/**
 * Converts a callback's value to JSON.
 *
 * @throws ParticleError `INVALID_OPERATION` for a value without a JSON form
 */
export function jsonOf(value: unknown, where: string): Json {
  try {
    return toJson(value)
  } catch (cause) {
    // Recognizes a RangeError: JSON.stringify exhausts the stack at some ten thousand levels.
    const why =
      cause instanceof RangeError ? 'is nested too deep' : `has no JSON form: ${(cause as Error).message}`
    throw new ParticleError('INVALID_OPERATION', `${where} ${why}`, { cause })
  }
}

/** Groups operations by document, in order. */
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
