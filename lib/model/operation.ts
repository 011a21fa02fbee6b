import type { Id, Json } from './document.ts'

/** The names of all operations; each means what MongoDB's update operator of that name means. */
export const OPERATIONS = [
  'set',
  'unset',
  'inc',
  'mul',
  'min',
  'max',
  'rename',
  'push',
  'pushAll',
  'addToSet',
  'pop',
  'pull',
  'pullAll',
  'truncate',
  'noop',
] as const

/** Names an operation. */
export type OperationName = (typeof OPERATIONS)[number]

/**
 * One step of a change to one document.
 *
 * `path` is `.` (the document itself: `set` replaces or inserts it, `unset` removes it), dotted
 * (`address.street`, `todos.0.done`), or by id (`todos[5].done`: the element whose `_id` is 5). Operations
 * that create what is missing on a path also create the array, and at its end the element, with that `_id`.
 *
 * `data` by operation: `set` the value; `inc` `mul` `min` `max` a number (or, for the latter two, any
 * comparable value; `inc` without data adds 1); `rename` the new path; `push` and `addToSet` a value or `{
 * $each, $position?, $slice?, $sort? }`; `pushAll` and `pullAll` an array; `pop` 1 (also without data: the
 * last element) or -1 (the first); `pull` a value or a condition; `truncate` the new length; `unset` and
 * `noop` none.
 */
export interface Operation {
  operation: OperationName
  path: string
  data?: Json
  /**
   * The path's segments where the source knows them: a number is an array position, a string a field's name.
   * It tells `scores.0` the first of an array from `scores.0` the field named "0". Never sent to clients.
   */
  keys?: readonly (string | number)[]
}

/** An operation and the document it is about. */
export interface DocumentOperation extends Operation {
  id: Id
  /**
   * With the path `.` only, and not with `unset`: the document's index in the list after the operation, where
   * the list has an order of its own. `set` inserts there, or replaces and moves there; `noop` moves.
   */
  at?: number
}

/** A set of operations that belong together, of one root. */
export interface Delta {
  root: string
  oplist: DocumentOperation[]
}
