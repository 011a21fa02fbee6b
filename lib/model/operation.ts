import type { Id, Json } from './document.ts'

/** The names of all operations. Each operation works like MongoDB's update operator of the same name. */
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
 * Describes one step of a change to one document.
 *
 * `path` is `.` (the document itself: `set` replaces or inserts it, `unset` removes it), dotted
 * (`address.street`, `todos.0.done`), or by id (`todos[5].done`: the element whose `_id` is 5). Operations
 * that create missing parents also create the array, and at its end the element with that `_id`.
 *
 * `data` by operation: `set` the value; `inc` `mul` `min` `max` a number (or, for the latter two, any
 * comparable value; `inc` without data adds 1); `rename` the new path; `push` and `addToSet` a value or
 * `{ $each, $position?, $slice?, $sort? }`; `pushAll` and `pullAll` an array; `pop` 1 (also without data: the
 * last element) or -1 (the first); `pull` a value or a condition; `truncate` the new length; `unset` and
 * `noop` none.
 */
export interface Operation {
  operation: OperationName
  path: string
  data?: Json
  /**
   * The path's segments, from a source that knows them: a number is an array position, a string a field's
   * name. They distinguish the first element of an array (`scores.0`) from the field "0". Never sent to
   * clients.
   */
  keys?: readonly (string | number)[]
}

/** Describes an operation together with the `_id` of its document. */
export interface DocumentOperation extends Operation {
  id: Id
  /**
   * The document's index in the list after the operation, for a list with an order of its own. Only with the
   * path `.`, and not with `unset`. `set` inserts at the index, or replaces and moves; `noop` moves.
   */
  at?: number
}

/** Describes the operations of one root that belong together. */
export interface Delta {
  root: string
  oplist: DocumentOperation[]
}
