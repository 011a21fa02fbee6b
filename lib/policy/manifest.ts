import { ParticleError } from '../errors.ts'
import { ANSWER_BOUNDS } from '../model/bounds.ts'
import type { Document, Id } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import type { DocumentOperation, Operation, OperationName } from '../model/operation.ts'
import { isPathName } from '../model/path.ts'
import { filterDocument, isFields, type Manifest } from './fields.ts'
import { created, imageOf, touched } from './image.ts'
import { type Filtered, filterOperation } from './step.ts'
import type { Place } from './target.ts'

export type { CheckedManifest, Manifest, WidenedManifest } from './fields.ts'

/**
 * Looks up a whole document in its state after the operations to filter; `undefined` for a removed document.
 */
export type DocumentLookup = (id: Id) => Document | undefined

/**
 * Checks a manifest and returns a deeply frozen copy.
 *
 * @param where the manifest's option, for messages: say, `dataSources.users.manifest`
 * @throws ParticleError `INVALID_MANIFEST` for anything but `true` or a nested object of `true`
 */
export function parseManifest(value: unknown, where: string): Manifest {
  return parseNode(value, where, [])
}

function parseNode(value: unknown, where: string, parents: readonly object[]): Manifest {
  if (value === true) return true
  if (value === false || value === 0 || value === null || value === undefined) {
    const instead =
      parents.length === 0 ? 'write {} to show no field but _id' : 'leave the field out to hide it'
    throw invalid(where, `is ${String(value)}: a manifest lists what is visible; ${instead}`)
  }
  if (value === 1) throw invalid(where, 'is 1: write true')
  if (Array.isArray(value)) {
    throw invalid(where, 'is an array: write the manifest of one element, which holds for all of them')
  }
  if (typeof value === 'string') {
    throw invalid(
      where,
      'is a string: write true for all of a value, or an object such as { address: { street: true } }',
    )
  }
  const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined
  if (typeof value !== 'object' || (prototype !== Object.prototype && prototype !== null)) {
    throw invalid(where, 'must be true, or a plain object such as { address: { street: true } }')
  }
  if (parents.includes(value)) throw invalid(where, 'refers to itself')
  if (parents.length >= ANSWER_BOUNDS.depth)
    throw invalid(where.slice(0, 80), `... is nested deeper than ${ANSWER_BOUNDS.depth} levels`)
  const manifest: { [field: string]: Manifest } = {}
  for (const [name, node] of Object.entries(value)) {
    checkName(name, where)
    if (parents.length === 0 && name === '_id' && node !== true) {
      throw invalid(`${where}._id`, 'is not true: the _id of a document always passes whole; leave it out')
    }
    manifest[name] = parseNode(node, `${where}.${name}`, [...parents, value])
  }
  return Object.freeze(manifest)
}

function checkName(name: string, where: string): void {
  if (name === '') throw invalid(where, 'has an empty field name')
  if (name === '__proto__' || name === 'constructor' || name === 'prototype') {
    throw invalid(where, `lists ${name}, which is never sent: leave it out`)
  }
  if (name.includes('.')) {
    const nested = name
      .split('.')
      .filter((part) => part !== '')
      .reduceRight((inner, part) => `{ ${part}: ${inner} }`, 'true')
    throw invalid(where, `lists "${name}": nest the fields instead, as in ${nested}`)
  }
  if (!isPathName(name)) throw invalid(where, `lists "${name}", which no path can name: leave it out`)
}

function invalid(where: string, what: string): ParticleError {
  return new ParticleError('INVALID_MANIFEST', `${where} ${what}`)
}

/**
 * Filters one document, or an array of them, to the visible image. Never changes the input; the result shares
 * fully visible parts with it.
 *
 * @throws ParticleError `INVALID_OPERATION` for anything but objects
 */
export function filterPayload(manifest: Manifest, data: Document[]): Document[]
export function filterPayload(manifest: Manifest, data: Document): Document
export function filterPayload(manifest: Manifest, data: Document | Document[]): Document | Document[]
export function filterPayload(manifest: Manifest, data: Document | Document[]): Document | Document[] {
  if (Array.isArray(data)) return data.map((document) => filterOne(manifest, document))
  return filterOne(manifest, data)
}

function filterOne(manifest: Manifest, document: Document): Document {
  if (!isFields(document)) throw new ParticleError('INVALID_OPERATION', 'A document must be an object')
  return filterDocument(manifest, document)
}

/**
 * Filters a list of operations for a manifest, so that
 * `filter(apply(document, oplist)) == apply(filter(document), filterDelta(manifest, oplist, lookup))`.
 *
 * With `lookup`, the law holds for every list. Without `lookup`, it holds if {@link needsDocument} is false
 * for each operation, and if a write that creates missing parents is reported at the topmost created parent,
 * as sources promise. Without `keys` and `lookup`, an integer in a path counts as a field's name if the
 * manifest lists such a field there, and otherwise as an array position.
 *
 * Never changes the input; the result shares fully visible parts with it.
 *
 * @throws ParticleError `DOCUMENT_NEEDED` if an operation can't be filtered without the document and `lookup`
 *   is missing; `INVALID_PATH`, `INVALID_OPERATION` on malformed operations
 */
export function filterDelta(
  manifest: Manifest,
  oplist: readonly DocumentOperation[],
  lookup?: DocumentLookup,
): DocumentOperation[] {
  if (lookup === undefined) return oplist.flatMap((op) => filterAlone(manifest, op))
  const [only] = oplist
  if (only && oplist.length === 1) return filterGroup(manifest, oplist, lookup)
  const groups = new Map<string, DocumentOperation[]>()
  for (const op of oplist) {
    const key = idKey(op.id)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [op])
    else group.push(op)
  }
  return [...groups.values()].flatMap((group) => filterGroup(manifest, group, lookup))
}

/** Checks that {@link filterDelta} can't filter an operation without its document, or would have to guess. */
export function needsDocument(manifest: Manifest, op: Operation): boolean {
  const { needs, guessed } = filterOperation(manifest, op)
  return needs !== undefined || guessed
}

function filterAlone(manifest: Manifest, op: DocumentOperation): DocumentOperation[] {
  const { operation, needs } = filterOperation(manifest, op)
  if (needs !== undefined) {
    throw new ParticleError(
      'DOCUMENT_NEEDED',
      `A ${op.operation} of ${needs} can't be filtered without the document`,
    )
  }
  return operation === undefined ? [] : [about(op, operation)]
}

function about({ id, at }: DocumentOperation, { operation, path, data }: Operation): DocumentOperation {
  const told: DocumentOperation = data === undefined ? { operation, id, path } : { operation, id, path, data }
  if (at !== undefined) told.at = at
  return told
}

/**
 * Filters all operations on one document. Keeps them if each can be filtered as it is; otherwise replaces all
 * of them by images of their result.
 */
function filterGroup(
  manifest: Manifest,
  group: readonly DocumentOperation[],
  lookup: DocumentLookup,
): DocumentOperation[] {
  const [only] = group
  const id = only?.id ?? null
  let steps = group.map((op) => filterOperation(manifest, op))
  const [step] = steps
  if (only && step && steps.length === 1 && isSettled(step))
    return step.operation ? [about(only, step.operation)] : []
  if (steps.every(isSettled)) return told(group, steps)
  const document = lookup(id)
  if (document === undefined) return [{ operation: 'unset', id, path: '.' }]
  if (steps.some((step) => step.guessed) && isStable(group)) {
    steps = group.map((op) => filterOperation(manifest, op, document))
    for (const step of steps) step.guessed = false
  }
  if (steps.some((step) => step.guessed || step.needs !== undefined)) {
    const trails = group.flatMap(placesOf).map((place) => touched(manifest, document, place))
    return imageOf(
      manifest,
      document,
      id,
      trails.filter((trail) => trail !== undefined),
    )
  }
  const still = group.length === 1 || group.every((op) => STILL.has(op.operation))
  const trails = steps.map((step) =>
    step.loose ? created(manifest, document, step.loose, still) : undefined,
  )
  return [
    ...told(group, steps),
    ...imageOf(
      manifest,
      document,
      id,
      trails.filter((trail) => trail !== undefined),
    ),
  ]
}

function isSettled(step: Filtered): boolean {
  return (
    step.needs === undefined && !step.guessed && (step.loose === undefined || !step.loose.path.includes('.'))
  )
}

function told(group: readonly DocumentOperation[], steps: readonly Filtered[]): DocumentOperation[] {
  return group.flatMap((op, index) => {
    const operation = steps[index]?.operation
    return operation === undefined ? [] : [about(op, operation)]
  })
}

function placesOf(op: DocumentOperation): Place[] {
  if (op.operation === 'noop') return []
  const place: Place = { path: op.path, keys: op.keys }
  return op.operation === 'rename' && typeof op.data === 'string' ? [place, { path: op.data }] : [place]
}

/**
 * The operations that neither move the elements of an array nor turn an array into another type, unless they
 * replace the array.
 */
const STILL: ReadonlySet<OperationName> = new Set(['set', 'unset', 'inc', 'mul', 'min', 'max', 'noop'])

/** Checks that each path leads to the same place in the final document as it did for its operation. */
function isStable(group: readonly DocumentOperation[]): boolean {
  if (group.length === 1) return true
  const written = new Set(group.map(({ path }) => path))
  return group.every(
    ({ operation, path }) =>
      STILL.has(operation) && path !== '.' && !path.includes('[') && !isBelow(written, path),
  )
}

/** Checks that a path continues one of the other paths. */
function isBelow(others: ReadonlySet<string>, path: string): boolean {
  for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1))
    if (others.has(path.slice(0, dot))) return true
  return false
}
