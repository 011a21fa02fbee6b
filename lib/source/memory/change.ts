import { applyOwning } from '../../model/apply.ts'
import type { Owned } from '../../model/change.ts'
import type { Document, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { isObject, valueAt } from '../../model/json.ts'
import type { Operation } from '../../model/operation.ts'
import { positionOf } from '../../model/path.ts'
import { leastOperations } from '../least.ts'
import { expand, type Positions } from './positional.ts'
import { invalid, type Step } from './update.ts'
import { copy, same } from './value.ts'

/** How far MongoDB fills an array up with `null` to reach a position. */
const PADDING_LIMIT = 1_500_000

type Keys = readonly (string | number)[]

/** Represents a document during an update. */
interface Draft {
  document: Document
  /** The objects of the document that are copies already. Left out for a single write. */
  owned: Owned | undefined
  /** The topmost parents that were created or filled up, by their text. Most updates create none. */
  created?: Map<string, Keys>
}

/** Describes an updated document and the operations that lead to it. */
export interface Updated {
  document: Document
  /** The operations; empty if nothing changed. */
  operations: Operation[]
}

/**
 * Applies an update to a copy of a document. Reports the update's own operations if they say everything. An
 * operation that creates missing parents or fills up an array is reported as a `set` of the topmost created
 * parent, so that operations can be filtered without the document. Throws `INVALID_OPERATION` when MongoDB
 * would refuse the update for this document. The document itself never changes.
 */
export function update(before: Document, steps: readonly Step[], positions: Positions): Updated {
  const [first] = steps
  const isOne = steps.length === 1 && first?.segments.some((segment) => segment.startsWith('$')) === false
  const draft: Draft = { document: before, owned: isOne ? undefined : new Set() }
  const operations: Operation[] = []
  for (const step of steps) {
    for (const segments of expand(draft.document, step.segments, positions)) {
      const { operation, data } = step
      if (operation === 'rename') {
        operations.push(...rename(draft, segments, String(data)))
      } else {
        const reported = write(draft, { operation, path: segments.join('.'), data }, segments)
        if (reported) operations.push(reported)
      }
    }
  }
  const { document, created } = draft
  if (before._id !== document._id && idKey(before._id ?? null) !== idKey(document._id ?? null))
    throw invalid("An update can't change `_id`.")
  const effective = operations.filter(
    ({ keys = [] }) => !same(valueAt(before, keys), valueAt(document, keys)),
  )
  const complete =
    created === undefined ? effective : effective.map((operation) => completed(operation, document, created))
  const [only] = complete
  if (only && complete.length === 1) return { document, operations: least(only, before, document) }
  return { document, operations: complete.flatMap((operation) => least(operation, before, document)) }
}

/**
 * Applies one operation and returns its report: `undefined` if nothing changed, or if an earlier report
 * covers the operation.
 */
function write(draft: Draft, operation: Operation, segments: readonly string[]): Operation | undefined {
  const { document, owned } = draft
  const { keys, missing, pads, blocked } = locate(document, segments)
  const last = segments.length - 1
  const creates = CREATING.has(operation.operation)
  if (!creates && (blocked || missing >= 0)) return undefined
  if (blocked) {
    const parent = segments.slice(0, keys.length).join('.')
    throw invalid(`'${segments[keys.length]}' can't be a field of '${parent}', which is no object.`)
  }
  draft.document = applyOwning(document, detached(operation, keys), owned) ?? document
  const result = valueAt(draft.document, keys)
  if (typeof result === 'number' && !Number.isFinite(result)) {
    throw invalid(
      `The result of ${operation.operation} of '${operation.path}' is out of the range of numbers.`,
    )
  }
  const { created } = draft
  if (created && keys.some((_, index) => created.has(textOf(keys.slice(0, index + 1))))) return undefined
  if (missing < 0 || (missing === last && !pads)) return detached(operation, keys)
  const top = keys.slice(0, pads ? missing : missing + 1)
  draft.created = (created ?? new Map<string, Keys>()).set(textOf(top), top)
  return { operation: 'set', path: top.join('.'), keys: top }
}

function rename(draft: Draft, source: readonly string[], target: string): Operation[] {
  const { document } = draft
  const from = locate(document, source)
  if (from.keys.some((key) => typeof key === 'number')) throw invalid("$rename can't reach into arrays.")
  if (from.blocked || from.missing >= 0) return []
  const segments = target.split('.')
  const to = locate(document, segments)
  if (to.keys.some((key) => typeof key === 'number')) throw invalid("$rename can't reach into arrays.")
  const data = copy(valueAt(document, from.keys) ?? null)
  const removed = write(draft, { operation: 'unset', path: source.join('.') }, source)
  const set = write(draft, { operation: 'set', path: target, data }, segments)
  // Reports other renames as a `set`: a `rename` can't say that it created parents, nor which names of its
  // target are numbers.
  const plain = set?.path === target && removed && !/(^|\.)\d+(\.|$)/.test(target)
  if (plain) return [{ operation: 'rename', path: removed.path, data: target, keys: from.keys }]
  return [removed, set].filter((operation) => operation !== undefined)
}

/** Completes the `set` of a created value with its final state: later steps may have added to the value. */
function completed(operation: Operation, document: Document, created: Map<string, Keys>): Operation {
  const { keys = [] } = operation
  if (created.get(textOf(keys)) !== keys) return operation
  return { ...operation, data: copy(valueAt(document, keys) ?? null) }
}

// Copies the data: the document must share nothing with the report, nor the report with the update, which may
// apply to many documents.
function detached({ operation, path, data }: Operation, keys: Keys): Operation {
  if (operation === 'unset' || data === undefined) return { operation, path, keys }
  return { operation, path, data: copy(data), keys }
}

const CREATING: ReadonlySet<string> = new Set(['set', 'inc', 'mul', 'min', 'max', 'push', 'addToSet'])

interface Location {
  /** The path's segments as far as they exist or can be created. Numbers are positions in arrays. */
  keys: Keys
  /** The index of the first missing segment; -1 if all exist. */
  missing: number
  /** Marks a missing segment that is a position beyond the end of its array. */
  pads: boolean
  /** Marks a path through a value that can't have such a field. */
  blocked: boolean
}

function locate(document: Document, segments: readonly string[]): Location {
  // Shares the segments as the keys of a path through objects, so that the log keeps no copy of them.
  if (leadsThroughObjects(document, segments))
    return { keys: segments, missing: -1, pads: false, blocked: false }
  const keys: (string | number)[] = []
  let node: Json | Document | undefined = document
  let missing = -1
  let pads = false
  for (const [index, segment] of segments.entries()) {
    if (Array.isArray(node)) {
      const position = positionOf(segment)
      if (position === undefined) return { keys, missing, pads, blocked: true }
      if (position >= node.length) {
        if (position - node.length > PADDING_LIMIT)
          throw invalid(`An array can't be filled up to ${segment}.`)
        missing = index
        pads = position > node.length
      }
      keys.push(position)
      node = node[position]
    } else if (isObject(node)) {
      if (!Object.hasOwn(node, segment)) missing = index
      keys.push(segment)
      node = missing < 0 ? (node[segment] as Json) : undefined
    } else {
      return { keys, missing, pads, blocked: true }
    }
    if (missing >= 0) return { keys: [...keys, ...segments.slice(index + 1)], missing, pads, blocked: false }
  }
  return { keys, missing, pads, blocked: false }
}

/** Checks that a path names an existing value by the fields of objects alone. */
function leadsThroughObjects(document: Document, segments: readonly string[]): boolean {
  let node: unknown = document
  for (const segment of segments) {
    if (!isObject(node) || !Object.hasOwn(node, segment)) return false
    node = node[segment]
  }
  return true
}

function textOf(keys: Keys): string {
  return JSON.stringify(keys)
}

/** Reduces an operation to its difference from the earlier document. Shares nothing with either document. */
function least(operation: Operation, before: Document, document: Document): Operation[] {
  const parts = leastOperations(operation, before, document)
  return parts.map((part) => (part === operation ? part : detached(part, part.keys ?? [])))
}
