import fc from 'fast-check'
import { applyOp } from '../../lib/model/apply.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import { type DocumentOperation, OPERATIONS, type OperationName } from '../../lib/model/operation.ts'
import { parsePath } from '../../lib/model/path.ts'
import type { Manifest } from '../../lib/policy/manifest.ts'

/** Names of fields, numeric-looking ones too. A manifest never lists the last one. */
const NAMES = ['a', 'b', 'a', 'b', '0', '1', '17', 'secret1', '2fa', '01', 'SECRET1'] as const

type Fields = { [name: string]: Json }

const listed = fc.constantFrom(...NAMES.slice(0, -1))

const nodes = fc.letrec<{ node: Manifest; part: Manifest }>((tie) => ({
  node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.constant<Manifest>(true), tie('part')),
  part: fc.dictionary(fc.oneof(listed, listed, fc.constant('_id')), tie('node'), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
}))

/** Manifests, seldom `true` and mostly partial ones. */
export const manifests: fc.Arbitrary<Manifest> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Manifest>(true) },
  { weight: 20, arbitrary: nodes.part.map((part) => omitId(part)) },
)

function omitId(manifest: Manifest): Manifest {
  return manifest === true
    ? true
    : Object.fromEntries(Object.entries(manifest).filter(([name]) => name !== '_id'))
}

/** Decides whatever a generated operation has to choose; shrinks towards first choices. */
export class Chooser {
  #at = 0
  readonly numbers: readonly number[]

  constructor(numbers: readonly number[]) {
    this.numbers = numbers
  }

  below(limit: number): number {
    return (this.numbers[this.#at++ % this.numbers.length] ?? 0) % limit
  }

  of<T>(list: readonly [T, ...T[]] | readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  scalar(): Json {
    return this.of<Json>([1, 2, 0, -3, 'x', 'y', null, true])
  }

  value(depth = 3): Json {
    const kind = depth === 0 ? 0 : this.below(7)
    if (kind < 2) return this.scalar()
    if (kind < 4) return this.fields(depth - 1)
    const elements = Array.from({ length: this.below(4) }, () => {
      if (kind === 4) return this.scalar()
      return kind === 5 ? this.fields(depth - 1) : this.value(depth - 1)
    })
    return elements
  }

  fields(depth: number): Fields {
    const fields: Fields = {}
    for (let left = this.below(4); left > 0; left--) fields[this.of(NAMES)] = this.value(depth)
    if (this.below(2) === 0) fields._id = this.below(4)
    return fields
  }

  document(id: Json): Document {
    const document: Document = { _id: id }
    for (let left = this.below(6); left > 0; left--) document[this.of(NAMES)] = this.value()
    return document
  }
}

export const choosers = fc
  .array(fc.nat(5040), { minLength: 120, maxLength: 120 })
  .map((numbers) => new Chooser(numbers))

export function clone<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value))
}

/** An operation that mostly fits the document; its path tells positions, ids and names as they are met there. */
export function operationOn(document: Document, choose: Chooser, id: Json): DocumentOperation {
  if (choose.below(25) === 24) {
    if (choose.below(4) === 3) return { operation: 'unset', id, path: '.' }
    return { operation: 'set', id, path: '.', data: choose.document(id) as Json }
  }
  const { path, value } = pathIn(document, choose)
  const operation = choose.below(6) === 5 ? choose.of(OPERATIONS) : choose.of(fitting(value))
  const data = dataFor(operation, value, choose, path)
  return data === undefined ? { operation, id, path } : { operation, id, path, data }
}

function pathIn(document: Document, choose: Chooser): { path: string; value: Json | undefined } {
  let path = ''
  let value: Json | undefined = document as Json
  do {
    if (Array.isArray(value)) {
      const at: number = choose.below(value.length + 2)
      const element: Json | undefined = value[at]
      if (choose.below(3) === 0) {
        const elementId: number =
          isFields(element) && typeof element._id === 'number' ? element._id : choose.below(4)
        path += `[${elementId}]`
        value = value.find((each) => isFields(each) && each._id === elementId)
      } else {
        path += `.${at}`
        value = element
      }
    } else if (path !== '' && value === undefined && choose.below(4) === 3) {
      path += `[${choose.below(4)}]`
    } else {
      const fields: Fields = isFields(value) ? value : {}
      const names = Object.keys(fields).filter((name) => name !== '_id' || path !== '')
      const name: string = names.length > 0 && choose.below(5) > 0 ? choose.of(names) : choose.of(NAMES)
      path += path === '' ? name : `.${name}`
      value = Object.hasOwn(fields, name) ? fields[name] : undefined
    }
  } while (
    path.length < 24 &&
    choose.below(value === undefined ? 3 : 4) > (typeof value === 'object' ? 0 : 1)
  )
  return { path, value }
}

function fitting(value: Json | undefined): readonly OperationName[] {
  if (Array.isArray(value)) {
    return ['push', 'pushAll', 'addToSet', 'pop', 'pull', 'pullAll', 'truncate', 'set', 'unset', 'rename']
  }
  if (typeof value === 'number') return ['inc', 'mul', 'min', 'max', 'set', 'unset', 'rename', 'noop']
  return ['set', 'set', 'unset', 'rename', 'min', 'max', 'push', 'inc']
}

function dataFor(
  operation: OperationName,
  value: Json | undefined,
  choose: Chooser,
  path: string,
): Json | undefined {
  switch (operation) {
    case 'unset':
    case 'noop':
      return undefined
    case 'inc':
    case 'mul':
      return choose.below(5) - 2
    case 'rename':
      return choose.below(2) === 0 ? choose.of(NAMES) : path.replace(/[^.]+$/, choose.of(NAMES))
    case 'pop':
      return choose.of([1, -1])
    case 'truncate':
      return choose.below(3)
    case 'pushAll':
      return [choose.value(2), choose.value(1)]
    case 'pullAll':
      return [choose.scalar(), elementOf(value, choose)]
    case 'pull':
      return choose.of<Json>([
        elementOf(value, choose),
        choose.scalar(),
        { a: choose.scalar() },
        { $in: [1, 'x'] },
      ])
    case 'addToSet':
    case 'push': {
      if (choose.below(2) === 0) return choose.value(2)
      const each: Fields = { $each: [choose.value(2), elementOf(value, choose)] }
      if (operation === 'addToSet') return each
      if (choose.below(2) === 0) each.$position = choose.below(4) - 1
      if (choose.below(3) === 0) each.$slice = choose.below(6) - 3
      if (choose.below(4) === 0) each.$sort = choose.of<Json>([1, { b: -1 }])
      return each
    }
    default:
      return choose.value(2)
  }
}

function elementOf(value: Json | undefined, choose: Chooser): Json {
  return Array.isArray(value) && value.length > 0 ? clone(choose.of(value)) : choose.scalar()
}

/** What a path meets in a document: a number for an array's element, a string for a field. */
export function walkOf(document: Document, path: string): (string | number)[] {
  const keys: (string | number)[] = []
  let value: Json | undefined = document as Json
  for (const segment of parsePath(path)) {
    let key: string | number
    if (typeof segment !== 'string') {
      key = Array.isArray(value)
        ? value.findIndex((item) => isFields(item) && String(item._id) === segment.id)
        : -1
    } else key = Array.isArray(value) ? Number(segment) : segment
    keys.push(key)
    value = valueAt(value, String(key))
  }
  return keys
}

/** The keys of a path, as a source that knows the document tells them; `undefined` for a path by id. */
export function keysOf(document: Document, path: string): (string | number)[] | undefined {
  return path.includes('[') ? undefined : walkOf(document, path)
}

/** The operation as sources promise to report it: a write that creates parents is a `set` of the topmost of them. */
export function canonicalOperation(
  before: Document,
  after: Document,
  op: DocumentOperation,
): DocumentOperation | undefined {
  const keys = keysOf(before, op.path)
  // By the id of an element, the array and all in it may be created, but not what the array is in.
  if (keys === undefined) return createsAround(before, op.path) ? undefined : op
  if (keys.length === 0) return op
  if (op.operation === 'rename') {
    return topmost(before, String(op.data), 1) === undefined ? { ...op, keys } : undefined
  }
  const cut = topmost(before, op.path, 1)
  if (cut === undefined) return { ...op, keys }
  const data = keys
    .slice(0, cut)
    .reduce<Json | undefined>((value, key) => valueAt(value, String(key)), after as Json)
  if (data === undefined) return { ...op, keys }
  const cutKeys = keys.slice(0, cut)
  return { operation: 'set', id: op.id, path: cutKeys.join('.'), data: clone(data), keys: cutKeys }
}

function createsAround(document: Document, path: string): boolean {
  const names = parsePath(path.slice(0, path.indexOf('['))).slice(0, -1)
  return names.length > 0 && topmost(document, [...names, 'x'].join('.'), 1) !== undefined
}

function topmost(document: Document, path: string, from: number): number | undefined {
  const segments = parsePath(path)
  let value: Json | undefined = document as Json
  for (let length = from; length < segments.length; length++) {
    value = valueAt(value, String(segments[length - 1]))
    if (value === undefined) return length
  }
  return undefined
}

function valueAt(value: Json | undefined, key: string): Json | undefined {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Fields)[key]
    : undefined
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The document after an operation, neither argument changed; `'refused'` where the model refuses it. */
export function applied(
  document: Document | undefined,
  op: DocumentOperation,
): Document | undefined | 'refused' {
  try {
    return applyOp(clone(document), clone(op))
  } catch {
    return 'refused'
  }
}
