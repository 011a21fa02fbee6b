import { ParticleError } from '../errors.ts'
import { compare, equal, typeOrder } from './compare.ts'
import type { Json } from './document.ts'
import { field, isObject, type JsonObject } from './json.ts'

/** Tells whether a value (`undefined` where there is none) meets a condition. */
type Test = (value: Json | undefined) => boolean

const TYPES: Record<string, Test> = {
  double: (value) => typeof value === 'number' && !Number.isInteger(value),
  int: (value) => Number.isInteger(value) && value === (Number(value) | 0),
  long: (value) => Number.isInteger(value) && value !== (Number(value) | 0),
  number: (value) => typeof value === 'number',
  string: (value) => typeof value === 'string',
  object: isObject,
  array: Array.isArray,
  bool: (value) => typeof value === 'boolean',
  null: (value) => value === null,
}
const TYPE_NUMBERS: Record<string, string> = {
  1: 'double',
  2: 'string',
  3: 'object',
  4: 'array',
  8: 'bool',
  10: 'null',
  16: 'int',
  18: 'long',
}

/** Operators that ask about one value; on an array, they hold where they hold for it or for one of its elements. */
const SINGLE: Record<string, (operand: Json, all: JsonObject) => Test> = {
  $eq: (operand) => (value) => equal(value, operand),
  $gt: (operand) => (value) => alike(value, operand) && compare(value, operand) > 0,
  $gte: (operand) => (value) => alike(value, operand) && compare(value, operand) >= 0,
  $lt: (operand) => (value) => alike(value, operand) && compare(value, operand) < 0,
  $lte: (operand) => (value) => alike(value, operand) && compare(value, operand) <= 0,
  $in: (operand) => {
    const options = list('$in', operand)
    return (value) => options.some((option) => equal(value, option))
  },
  $regex: (operand, all) => {
    const pattern = regex(operand, all.$options)
    return (value) => typeof value === 'string' && pattern.test(value)
  },
  $mod: (operand) => {
    const [divisor, remainder] = list('$mod', operand).map((number) => Math.trunc(Number(number)))
    if (!divisor || remainder === undefined) refuse('$mod needs a divisor and a remainder')
    // Adding zero makes -0 a 0: both are the same remainder.
    return (value) => typeof value === 'number' && (Math.trunc(value) % (divisor as number)) + 0 === remainder
  },
  $type: (operand) => {
    const tests = (Array.isArray(operand) ? operand : [operand]).map((name) => {
      const known = TYPE_NUMBERS[String(name)] ?? String(name)
      return (Object.hasOwn(TYPES, known) && TYPES[known]) || (() => false)
    })
    return (value) => tests.some((test) => test(value))
  },
}

/** Operators that ask about a value as a whole. */
const WHOLE: Record<string, (operand: Json) => Test> = {
  $ne: (operand) => not(anyOf(equalTo(operand))),
  $nin: (operand) => not(condition({ $in: operand })),
  $not: (operand) =>
    isObject(operand) ? not(condition(operand)) : refuse('$not needs an object of operators'),
  $exists: (operand) => (value) => (value !== undefined) === Boolean(operand),
  $size: (operand) => (value) => Array.isArray(value) && value.length === operand,
  $all: (operand) => {
    const tests = list('$all', operand).map((item) =>
      isObject(item) && field(item, '$elemMatch') !== undefined ? condition(item) : anyOf(equalTo(item)),
    )
    return (value) => tests.length > 0 && tests.every((test) => test(value))
  },
  $elemMatch: (operand) => {
    const test = isOperators(operand) ? condition(operand) : matcher(operand)
    return (value) => Array.isArray(value) && value.some((item) => test(item))
  },
}

const LOGIC: Record<string, (operand: Json) => Test> = {
  $and: (operand) => {
    const tests = queries('$and', operand)
    return (value) => tests.every((test) => test(value))
  },
  $or: (operand) => {
    const tests = queries('$or', operand)
    return (value) => tests.some((test) => test(value))
  },
  $nor: (operand) => {
    const tests = queries('$nor', operand)
    return (value) => !tests.some((test) => test(value))
  },
}

/** Whether a value is an object of operators (`{ $gt: 3 }`), in contrast to a value or a query by fields. */
export function isOperators(value: Json): value is JsonObject {
  if (!isObject(value)) return false
  const first = Object.keys(value)[0]
  return first?.startsWith('$') === true && !Object.hasOwn(LOGIC, first)
}

/**
 * The test that an object of operators stands for. All of them must hold.
 *
 * @throws ParticleError `INVALID_OPERATION` for an operator that is unknown, or whose operand does not fit it.
 */
export function condition(operators: JsonObject): Test {
  const tests = Object.entries(operators).map(([name, operand]): Test => {
    if (name === '$options' && '$regex' in operators) return () => true
    const single = Object.hasOwn(SINGLE, name) && SINGLE[name]
    if (single) return anyOf(single(operand, operators))
    const whole = (Object.hasOwn(WHOLE, name) && WHOLE[name]) || (Object.hasOwn(LOGIC, name) && LOGIC[name])
    return whole ? whole(operand) : refuse(`the operator ${name} is not supported`)
  })
  return (value) => tests.every((test) => test(value))
}

/**
 * The test that a query by fields (`{ score: { $gte: 8 }, item: 'B' }`) stands for. Only objects meet it.
 *
 * @throws ParticleError `INVALID_OPERATION` as {@link condition} does, and for a query that is no object.
 */
export function matcher(query: Json): Test {
  if (!isObject(query)) return refuse('a condition must be an object')
  const tests = Object.entries(query).map(([name, operand]): Test => {
    const logic = Object.hasOwn(LOGIC, name) && LOGIC[name]
    if (logic) return logic(operand)
    if (name.startsWith('$')) return refuse(`the operator ${name} is not supported here`)
    return atPath(name.split('.'), operand)
  })
  return (value) => isObject(value) && tests.every((test) => test(value))
}

function atPath(path: string[], operand: Json): Test {
  if (!isOperators(operand)) {
    const test = anyOf(equalTo(operand))
    return (value) => reach(value, path).some(test)
  }
  // Each operator is met by itself, maybe by different elements; a negation is met where its opposite is met nowhere.
  const tests = Object.entries(operand).map(([name, argument]): Test => {
    if (name === '$options') return () => true
    if (name === '$ne') return not(atPath(path, { $eq: argument }))
    if (name === '$nin') return not(atPath(path, { $in: argument }))
    if (name === '$not' && isObject(argument)) return not(atPath(path, argument))
    if (name === '$exists' && !argument) return not(atPath(path, { $exists: true }))
    const test = condition(name === '$regex' ? operand : { [name]: argument })
    return (value) => reach(value, path).some(test)
  })
  return (value) => tests.every((test) => test(value))
}

/** All that a dotted path leads to, through the elements of arrays too; `undefined` where it leads nowhere. */
function reach(value: Json | undefined, path: string[]): (Json | undefined)[] {
  const [name, ...rest] = path
  if (name === undefined) return [value]
  if (!Array.isArray(value)) return isObject(value) ? reach(field(value, name), rest) : [undefined]
  const found = value.filter(isObject).flatMap((item) => reach(item, path))
  return /^\d+$/.test(name) && Number(name) < value.length
    ? [...reach(value[Number(name)], rest), ...found]
    : found
}

function anyOf(test: Test): Test {
  return (value) => test(value) || (Array.isArray(value) && value.some(test))
}

function not(test: Test): Test {
  return (value) => !test(value)
}

function equalTo(operand: Json): Test {
  return (value) => equal(value, operand)
}

function alike(a: Json | undefined, b: Json): boolean {
  return typeOrder(a) === typeOrder(b)
}

function list(name: string, operand: Json): Json[] {
  return Array.isArray(operand) ? operand : refuse(`${name} needs an array`)
}

function queries(name: string, operand: Json): Test[] {
  return list(name, operand).map((query) => (isOperators(query) ? condition(query) : matcher(query)))
}

function regex(pattern: Json, options: Json | undefined): RegExp {
  try {
    if (typeof pattern === 'string') return new RegExp(pattern, String(options ?? ''))
  } catch {}
  return refuse('$regex needs a regular expression, and options of i, m and s')
}

function refuse(reason: string): never {
  throw new ParticleError('INVALID_OPERATION', `The condition of pull is invalid: ${reason}.`)
}
