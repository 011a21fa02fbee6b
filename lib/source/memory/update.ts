import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import type { OperationName } from '../../model/operation.ts'
import { notKnown } from '../../model/unknown.ts'
import { stored } from './value.ts'

/**
 * Describes one field of an update document: `{ $inc: { 'a.b': 1 } }` is the step
 * `{ operation: 'inc', segments: ['a', 'b'], data: 1 }`.
 */
export interface Step {
  operation: OperationName
  /** The path as written, which may contain `$`, `$[]` and `$[name]`. */
  segments: readonly string[]
  data: Json
  /** Restricts the step to the document of an upsert. */
  onInsert: boolean
}

const OPERATORS = new Map<string, OperationName>([
  ['$set', 'set'],
  ['$setOnInsert', 'set'],
  ['$currentDate', 'set'],
  ['$unset', 'unset'],
  ['$inc', 'inc'],
  ['$mul', 'mul'],
  ['$min', 'min'],
  ['$max', 'max'],
  ['$rename', 'rename'],
  ['$push', 'push'],
  ['$addToSet', 'addToSet'],
  ['$pop', 'pop'],
  ['$pull', 'pull'],
  ['$pullAll', 'pullAll'],
])

/**
 * Parses a MongoDB update document into steps in MongoDB's order (by path). Throws `INVALID_OPERATION` for an
 * update that MongoDB refuses for any document: unknown operators, a replacement, two operators on one path,
 * arguments of a wrong type.
 */
export function parseUpdate(update: unknown): Step[] {
  if (Array.isArray(update)) throw invalid('The memory source does not support update pipelines.')
  if (!isObject(update) || Object.keys(update).length === 0) {
    throw invalid('An update must hold at least one operator, such as $set.')
  }
  const steps: Step[] = []
  for (const [operator, fields] of Object.entries(update)) {
    const operation = OPERATORS.get(operator)
    if (!operation && !operator.startsWith('$')) {
      throw invalid(
        `An update holds operators only, but '${operator}' is a field. Use { $set: ... } or replaceOne.`,
      )
    }
    if (!operation) throw invalid(`The update operator ${notKnown(operator, OPERATORS.keys())}`)
    if (!isObject(fields)) throw invalid(`${operator} needs an object of fields.`)
    for (const [path, value] of Object.entries(fields)) {
      if (value === undefined) continue
      const data = operator === '$currentDate' ? now(value, path) : argument(operator, path, value)
      steps.push({ operation, segments: segmentsOf(path), data, onInsert: operator === '$setOnInsert' })
    }
  }
  const [only] = steps
  if (steps.length === 1 && only?.operation !== 'rename') return steps
  steps.sort((a, b) => compareSegments(a.segments, b.segments))
  refuseConflicts(steps)
  return steps
}

/**
 * Throws `INVALID_OPERATION` for a malformed replacement: one with operators, or a value that is not an
 * object.
 */
export function checkReplacement(replacement: unknown): void {
  if (!isObject(replacement)) throw invalid('A replacement must be a document.')
  const operator = Object.keys(replacement).find((name) => name.startsWith('$'))
  if (operator) throw invalid(`A replacement can't hold operators, but it holds ${operator}. Use updateOne.`)
}

/** Creates the error of an update that can't be done. */
export function invalid(message: string): ParticleError {
  return new ParticleError('INVALID_OPERATION', message)
}

/** Keeps the segments of this number of paths: an application updates the same few fields. */
const MAX_PATHS = 1_000
const known = new Map<string, readonly string[]>()

/**
 * Splits a dotted path of MongoDB. Throws `INVALID_PATH` for names that MongoDB or Particle's own paths can't
 * express.
 */
export function segmentsOf(path: string): readonly string[] {
  let segments = known.get(path)
  if (segments) return segments
  segments = checkedSegments(path)
  if (known.size >= MAX_PATHS) known.clear()
  known.set(path, segments)
  return segments
}

function checkedSegments(path: string): readonly string[] {
  const segments = path.split('.')
  for (const [index, segment] of segments.entries()) {
    const positional = index > 0 && /^\$(\[\w*\])?$/.test(segment)
    if (!positional && (segment === '' || /^\$|[[\]]/.test(segment))) {
      throw new ParticleError('INVALID_PATH', `'${path}' is not a path that can be updated.`)
    }
    if (segment === '__proto__' || segment === 'constructor' || segment === 'prototype') {
      throw new ParticleError('INVALID_PATH', `A path can't hold '${segment}'.`)
    }
  }
  return segments
}

function argument(operator: string, path: string, value: unknown): Json {
  const data = stored(value instanceof RegExp ? expression(value) : value)
  const bad = (what: string) => invalid(`${operator} of '${path}' needs ${what}.`)
  switch (operator) {
    case '$inc':
    case '$mul':
      if (typeof data !== 'number') throw bad('a number')
      break
    case '$pop':
      if (data !== 1 && data !== -1) throw bad('1 or -1')
      break
    case '$pullAll':
      if (!Array.isArray(data)) throw bad('an array')
      break
    case '$rename':
      if (typeof data !== 'string') throw bad("the field's new name")
      if (`${path}.${data}`.includes('$')) throw bad('names without positions')
      segmentsOf(data)
      break
    case '$push':
    case '$addToSet':
      if (isObject(data) && '$each' in data && !Array.isArray(data.$each)) throw bad('an array as its $each')
      break
    case '$pull':
      return isObject(value) ? conditionJson(value) : data
  }
  return data
}

function now(value: unknown, path: string): Json {
  const type = isObject(value) ? value.$type : undefined
  if (value === true || type === 'date' || type === 'timestamp') return new Date().toISOString()
  throw invalid(`$currentDate of '${path}' needs true or { $type: 'date' }.`)
}

// Keeps regular expressions in a condition, because JSON would turn them into `{}`.
function conditionJson(value: unknown): Json {
  if (value instanceof RegExp) return expression(value)
  if (Array.isArray(value)) {
    if (value.some((element) => element instanceof RegExp)) {
      throw invalid('$pull does not support regular expressions in lists.')
    }
    return value.map(conditionJson)
  }
  if (!isObject(value) || Object.getPrototypeOf(value) !== Object.prototype) return stored(value)
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return Object.fromEntries(fields.map(([name, field]) => [name, conditionJson(field)]))
}

function expression({ source, flags }: RegExp): Json {
  // Drops flags that make a pattern start at its last position.
  const options = flags.replace(/[dgy]/g, '')
  return options ? { $regex: source, $options: options } : { $regex: source }
}

function refuseConflicts(steps: readonly Step[]): void {
  const taken: Taken = new Map()
  for (const { operation, segments, data } of steps) {
    const paths = operation === 'rename' ? [segments, segmentsOf(String(data))] : [segments]
    for (const path of paths) take(taken, path)
  }
}

/** Collects paths by their segments. An empty map is the end of a path. */
type Taken = Map<string, Taken>

function take(taken: Taken, path: readonly string[]): void {
  let place = taken
  for (const [index, segment] of path.entries()) {
    const next = place.get(segment)
    if (next && (next.size === 0 || index === path.length - 1)) {
      const other = path.slice(0, index + 1)
      for (let below = next; below.size > 0; ) {
        const [[name, inner] = ['', below]] = below
        other.push(name)
        below = inner
      }
      throw invalid(`Updating '${path.join('.')}' would conflict with '${other.join('.')}'.`)
    }
    const inner: Taken = next ?? new Map()
    place.set(segment, inner)
    place = inner
  }
}

function compareSegments(a: readonly string[], b: readonly string[]): number {
  for (const [index, segment] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1
    if (segment === other) continue
    const numbers = /^\d+$/.test(segment) && /^\d+$/.test(other)
    if (numbers && Number(segment) !== Number(other)) return Number(segment) - Number(other)
    return segment < other ? -1 : 1
  }
  return a.length - b.length
}
