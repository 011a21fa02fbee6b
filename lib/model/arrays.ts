import { ParticleError } from '../errors.ts'
import { compare, equal } from './compare.ts'
import type { Json } from './document.ts'
import { forgetElements } from './elements.ts'
import { field, isObject, type JsonObject } from './json.ts'

const MODIFIERS = ['$each', '$position', '$slice', '$sort']

/**
 * Applies `$push`: adds a value, or the values of `$each` at `$position`, then sorts by `$sort` and cuts by
 * `$slice`.
 *
 * @param own returns the array to change. Called only when nothing can be refused any more
 */
export function push(own: () => Json[], data: Json): Json[] {
  if (!isObject(data) || !MODIFIERS.some((name) => Object.hasOwn(data, name))) {
    const array = own()
    array.push(data)
    return array
  }
  const { $each, $position, $slice, $sort, ...rest } = data
  if (!Array.isArray($each)) return refuse('an array as $each')
  known(rest)
  const at = integer('$position', $position)
  const slice = integer('$slice', $slice)
  const order = $sort === undefined ? undefined : sorter($sort)
  const array = own()
  if (Object.keys(data).length > 1) forgetElements(array)
  // Cuts and joins instead of a splice, because the number of a call's arguments is limited.
  const tail = array.splice(at ?? array.length)
  for (const part of [$each, tail]) for (const value of part) array.push(value)
  if (order) array.sort(order)
  if (slice === undefined) return array
  return slice < 0 ? array.slice(slice) : array.slice(0, slice)
}

/** Applies `$addToSet`: adds the values that the array does not hold. */
export function addToSet(own: () => Json[], data: Json): Json[] {
  const values = each(data)
  const result = own()
  for (const value of values) if (!result.some((item) => equal(item, value))) result.push(value)
  return result
}

/** Compiles the condition of a `pull` (an object) into a test of the values to remove. */
export type Conditions = (condition: JsonObject) => (value: Json | undefined) => boolean

/** Applies `$pull`: removes the values that equal `data`, or that meet the condition `data`. */
export function pull(array: readonly Json[], data: Json, conditions: Conditions | undefined): Json[] {
  if (!isObject(data)) return array.filter((item) => !equal(item, data))
  const test = conditions ? conditions(data) : refuse('a plain value')
  return array.filter((item) => !test(item))
}

function each(data: Json): Json[] {
  if (!isObject(data) || !Object.hasOwn(data, '$each')) return [data]
  const { $each, ...rest } = data
  known(rest)
  return Array.isArray($each) ? $each : refuse('an array as $each')
}

function known(rest: JsonObject): void {
  const name = Object.keys(rest)[0]
  if (name !== undefined) refuse(`no ${name} beside $each`)
}

function integer(name: string, value: Json | undefined): number | undefined {
  if (value === undefined || Number.isInteger(value)) return value as number | undefined
  return refuse(`an integer as ${name}`)
}

function sorter(sort: Json): (a: Json, b: Json) => number {
  if (sort === 1 || sort === -1) return (a, b) => sort * compare(a, b)
  const fields = isObject(sort) ? Object.entries(sort) : []
  if (fields.length === 0 || fields.some(([, order]) => order !== 1 && order !== -1)) {
    refuse('1, -1 or an object of them as $sort')
  }
  const keys = fields.map(([path, order]) => ({ path: path.split('.'), order: Number(order) }))
  return (a, b) => {
    for (const { path, order } of keys) {
      const result = order * compare(reach(a, path), reach(b, path))
      if (result !== 0) return result
    }
    return 0
  }
}

function reach(value: Json, path: string[]): Json | undefined {
  let found: Json | undefined = value
  for (const name of path) found = isObject(found) ? field(found, name) : undefined
  return found
}

function refuse(need: string): never {
  throw new ParticleError('INVALID_OPERATION', `The operation needs ${need}.`)
}
