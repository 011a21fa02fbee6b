import { ParticleError } from '../errors.ts'
import type { Document, Json } from '../model/document.ts'
import type { Operation, OperationName } from '../model/operation.ts'
import { parsePath } from '../model/path.ts'
import { DEFAULTS } from '../model/value.ts'
import { filterDocument, filterElement, filterValue, isFields, type Manifest } from './fields.ts'
import { type Place, resolve } from './target.ts'

/** Describes the result of filtering one operation for a manifest. */
export interface Filtered {
  /** The visible operation; `undefined` if nothing shows. */
  operation?: Operation
  /**
   * The place where the operation may have created visible parents of a hidden field. `last`: the hidden
   * field is the path's last step.
   */
  loose?: Place & { last?: boolean }
  /** The pattern of the path, for the message, when the operation can't be filtered without the document. */
  needs?: string
  /** Marks an integer in the path that was taken for a position, or for a name, by a guess. */
  guessed: boolean
}

const CREATES: ReadonlySet<OperationName> = new Set([
  'set',
  'inc',
  'mul',
  'min',
  'max',
  'push',
  'pushAll',
  'addToSet',
])

/**
 * Filters one operation. Uses `document`, if given, only to distinguish array positions from names in its
 * path.
 */
export function filterOperation(manifest: Manifest, op: Operation, document?: Document): Filtered {
  if (op.operation === 'noop' && !op.path) return { guessed: false }
  if (op.path === '.') return filterWhole(manifest, op)
  if (op.operation === 'rename') return filterRename(manifest, op)
  const place: Place = { path: op.path, keys: op.keys }
  const target = resolve(manifest, place, document)
  const { node, guessed, pattern } = target
  // Shows an element that is created by its id, whatever the operation writes to the element.
  const makes = target.byId && CREATES.has(op.operation)
  if (node === undefined) {
    if (makes) return { needs: pattern, guessed }
    return CREATES.has(op.operation) ? { loose: place, guessed } : { guessed }
  }
  if (target.blind) return op.operation === 'noop' ? { guessed } : { needs: pattern, guessed }
  if (op.operation === 'noop' || op.operation === 'unset') {
    return { operation: { operation: op.operation, path: op.path }, guessed }
  }
  if (node === true) return { operation: pass(op, op.data), guessed }
  if (op.operation === 'set') {
    if (target.element) return { operation: pass(op, filterElement(node, op.data ?? null)), guessed }
    const image = filterValue(node, op.data)
    if (image !== undefined) return { operation: pass(op, image), guessed }
    if (makes) return { needs: pattern, guessed }
    return { operation: { operation: 'unset', path: op.path }, loose: { ...place, last: true }, guessed }
  }
  const data = filterData(node, op)
  return data === undefined ? { needs: pattern, guessed } : { operation: pass(op, data), guessed }
}

function pass(op: Operation, data: Json | undefined = DEFAULTS[op.operation]): Operation {
  const passed: Operation = { operation: op.operation, path: op.path }
  if (data !== undefined) passed.data = data
  return passed
}

function filterWhole(manifest: Manifest, op: Operation): Filtered {
  if (op.operation === 'unset' || op.operation === 'noop') {
    return { operation: { operation: op.operation, path: '.' }, guessed: false }
  }
  if (op.operation !== 'set' || !isFields(op.data)) {
    throw new ParticleError(
      'INVALID_OPERATION',
      'A whole document is set to an object, or unset: no other operation takes the path "."',
    )
  }
  return { operation: pass(op, filterDocument(manifest, op.data) as Json), guessed: false }
}

/**
 * Filters the data of an operation on an array below a partial manifest; `undefined` if the result depends on
 * hidden parts.
 */
function filterData(node: Manifest, op: Operation): Json | undefined {
  const { operation, data = DEFAULTS[operation] } = op
  switch (operation) {
    case 'pop':
    case 'truncate':
      return typeof data === 'number' ? data : undefined
    case 'pushAll':
      return Array.isArray(data) ? filterValue(node, data) : undefined
    case 'push':
      return data === undefined ? undefined : filterPushed(node, data)
    default:
      return undefined
  }
}

function filterPushed(node: Manifest, data: Json): Json | undefined {
  if (!isFields(data) || !Object.hasOwn(data, '$each')) return filterElement(node, data)
  const { $each, $position, $slice, ...others } = data
  if (!Array.isArray($each) || Object.keys(others).length > 0) return undefined
  const pushed: { [name: string]: Json } = { $each: filterValue(node, $each) ?? null }
  for (const [name, value] of Object.entries({ $position, $slice })) {
    if (value === undefined) continue
    if (typeof value !== 'number') return undefined
    pushed[name] = value
  }
  return pushed
}

function filterRename(manifest: Manifest, op: Operation): Filtered {
  if (typeof op.data !== 'string') {
    throw new ParticleError('INVALID_OPERATION', 'A rename takes the new path, a string, as its data')
  }
  const place: Place = { path: op.data, keys: namesOf(op.data) }
  const from = resolve(manifest, { path: op.path, keys: op.keys ?? namesOf(op.path) })
  const to = resolve(manifest, place)
  const guessed = false
  if (to.node === undefined) {
    if (from.node === undefined) return { loose: place, guessed }
    if (from.blind) return { needs: from.pattern, guessed }
    return { operation: { operation: 'unset', path: op.path }, loose: place, guessed }
  }
  const whole = from.node === true && to.node === true && !from.blind && !to.blind
  return whole ? { operation: pass(op, op.data), guessed } : { needs: from.pattern, guessed }
}

/** Splits a rename's path, which consists of names only: it never leads through an array. */
function namesOf(path: string): string[] {
  return parsePath(path).map((segment) => {
    if (typeof segment === 'string') return segment
    throw new ParticleError('INVALID_OPERATION', 'A rename can not lead through an array')
  })
}
