import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { compile } from './query.ts'

/** Describes the projection of a field: kept whole, left out, cut to a part, or projected by fields. */
type Node = true | false | ((value: Json) => Json | undefined) | Tree
type Tree = Map<string, Node>

/**
 * Compiles a projection of MongoDB's `find`: `{ name: 1 }` or `{ secret: 0 }`, dotted or nested paths,
 * `$slice` and `$elemMatch`. Includes the `_id` unless `_id: 0` leaves it out.
 *
 * @throws ParticleError `INVALID_QUERY` for a projection that MongoDB refuses, and for expressions, which are
 *   not supported
 */
export function projector(projection: unknown): (document: Document) => Document {
  if (!isObject(projection)) throw invalid('must be an object such as { name: 1 }')
  const tree: Tree = new Map()
  const kinds = new Set<'keep' | 'leave' | 'slice'>()
  for (const [path, value] of leaves(projection, '')) {
    const node = nodeOf(path, value)
    put(tree, path, node)
    if (path === '_id') continue
    kinds.add(typeof node === 'boolean' ? (node ? 'keep' : 'leave') : isSlice(value) ? 'slice' : 'keep')
  }
  if (kinds.has('keep') && kinds.has('leave'))
    throw invalid('can either name fields to give, or fields to leave out')
  const id = tree.get('_id')
  const keeps = kinds.has('keep') || (kinds.size === 0 && id === true)
  if (id === undefined && keeps) tree.set('_id', true)
  return (document) => project(document as { [name: string]: Json }, tree, keeps) as Document
}

function leaves(fields: Record<string, unknown>, prefix: string): [string, unknown][] {
  return Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
    const path = prefix + name
    if (!isObject(value) || Object.keys(value).some((key) => key.startsWith('$'))) return [[path, value]]
    if (Object.keys(value).length === 0) throw invalid(`has no field within "${path}"`)
    return leaves(value, `${path}.`)
  })
}

function nodeOf(path: string, value: unknown): Exclude<Node, Tree> {
  if (path.split('.').some((name) => name === '' || name.startsWith('$')))
    throw invalid(`has "${path}", which is not the path of a field`)
  if (typeof value === 'number' || typeof value === 'boolean') return Boolean(value)
  const [[operator, operand] = [], ...more] = isObject(value) ? Object.entries(value) : []
  if (more.length === 0 && operator === '$slice') return slicer(operand)
  if (more.length === 0 && operator === '$elemMatch') return finder(operand)
  throw invalid(`has "${path}": a field is given by 1, left out by 0, or cut by $slice or $elemMatch`)
}

function isSlice(value: unknown): boolean {
  return isObject(value) && '$slice' in value
}

function slicer(operand: unknown): (value: Json) => Json {
  const [first, count] = Array.isArray(operand) ? operand : [operand]
  const isPair = Array.isArray(operand)
  if (!Number.isInteger(first) || (isPair && !(operand.length === 2 && Number.isInteger(count) && count > 0)))
    throw invalid('has a $slice that is neither a whole number nor a pair of a position and a count')
  return (value) => {
    if (!Array.isArray(value)) return value
    if (!isPair) return first < 0 ? value.slice(first) : value.slice(0, first)
    const start = first < 0 ? Math.max(value.length + first, 0) : first
    return value.slice(start, start + count)
  }
}

function finder(operand: unknown): (value: Json) => Json | undefined {
  const isQuery = isObject(operand) && !Object.keys(operand)[0]?.startsWith('$')
  const matches = compile({ value: { $elemMatch: operand } })
  return (value) => {
    if (!Array.isArray(value)) return undefined
    const found = value.find((element) => (!isQuery || isObject(element)) && matches({ value: [element] }))
    return found === undefined ? undefined : [found]
  }
}

/** Adds a node at its path. @throws ParticleError for a repeated path, or a path below another path */
function put(tree: Tree, path: string, node: Exclude<Node, Tree>): void {
  const names = path.split('.')
  const last = names.pop() ?? ''
  let parent = tree
  for (const name of names) {
    const inner = parent.get(name) ?? new Map<string, Node>()
    if (!(inner instanceof Map)) throw invalid(`has "${path}" and a parent of it`)
    parent.set(name, inner)
    parent = inner
  }
  if (parent.has(last)) throw invalid(`has "${path}" and another path there`)
  parent.set(last, node)
}

function project(fields: { [name: string]: Json }, tree: Tree, keeps: boolean): { [name: string]: Json } {
  const image: { [name: string]: Json } = {}
  for (const [name, value] of Object.entries(fields)) {
    const node = tree.get(name) ?? !keeps
    const shown =
      node instanceof Map
        ? within(value, node, keeps)
        : typeof node === 'function'
          ? node(value)
          : node
            ? value
            : undefined
    if (shown !== undefined) image[name] = shown
  }
  return image
}

/** Projects all elements of an array. Drops a value without fields if fields are to be kept. */
function within(value: Json, tree: Tree, keeps: boolean): Json | undefined {
  if (Array.isArray(value))
    return value.map((element) => within(element, tree, keeps)).filter((element) => element !== undefined)
  if (isObject(value)) return project(value as { [name: string]: Json }, tree, keeps)
  return keeps ? undefined : value
}

function invalid(what: string): ParticleError {
  return new ParticleError('INVALID_QUERY', `A projection ${what}.`)
}
