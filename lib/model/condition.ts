import { ParticleError } from '../errors.ts'
import { compare, equal, typeOrder } from './compare.ts'
import type { Json } from './document.ts'
import { field, isObject, type JsonObject } from './json.ts'

/** Tells whether a value (`undefined` where there is none) meets a condition. */
type Test = (value: Json | undefined) => boolean

/** What `$type` calls the types, by their place in BSON's order. */
const TYPES = ['null', 'number', 'string', 'object', 'array', 'bool']
const TYPE_NUMBERS: JsonObject = {
  1: 'double',
  2: 'string',
  3: 'object',
  4: 'array',
  8: 'bool',
  10: 'null',
  16: 'int',
  18: 'long',
}

/** Comparisons hold between values of one type only. */
function ordered(holds: (order: number) => boolean): (operand: Json) => Test {
  return (operand) =>
    anyOf((value) => typeOrder(value) === typeOrder(operand) && holds(compare(value, operand)))
}

/**
 * What each operator makes of its operand (and of the operators beside it); what a negation opposes stands in
 * {@link OPPOSITES}.
 */
const OPERATORS: Record<string, (operand: Json, beside: JsonObject) => Test> = {
  $eq: (operand) => anyOf((value) => equal(value, operand)),
  $gt: ordered((order) => order > 0),
  $gte: ordered((order) => order >= 0),
  $lt: ordered((order) => order < 0),
  $lte: ordered((order) => order <= 0),
  $in: (operand) => {
    const options = list(operand)
    return anyOf((value) => options.some((option) => equal(value, option)))
  },
  $exists: () => (value) => value !== undefined,
  $size: (operand) => (value) => Array.isArray(value) && value.length === operand,
  $all: (operand) => {
    const tests = list(operand).map((item) => condition(isOperators(item) ? item : { $eq: item }))
    return (value) => tests.length > 0 && tests.every((test) => test(value))
  },
  $elemMatch: (operand) => {
    const test = anyQuery(operand)
    return (value) => Array.isArray(value) && value.some(test)
  },
  $regex: (operand, { $options = '' }) => {
    const pattern = new RegExp(text(operand), text($options))
    return anyOf((value) => typeof value === 'string' && pattern.test(value))
  },
  $mod: (operand) => {
    const [divisor = 0, remainder = Number.NaN] = list(operand).map((number) => Math.trunc(Number(number)))
    if (!divisor || Number.isNaN(remainder)) throw new TypeError('a divisor and a remainder are needed')
    // Two equals, unlike Object.is, take the remainder -0 for 0.
    return anyOf((value) => typeof value === 'number' && Math.trunc(value) % divisor === remainder)
  },
  $type: (operand) => {
    const names = (Array.isArray(operand) ? operand : [operand]).map(
      (name) => TYPE_NUMBERS[`${name}`] ?? name,
    )
    return anyOf((value) => value !== undefined && typeNames(value).some((name) => names.includes(name)))
  },
}

/** A negation is met where its opposite is met nowhere, not even by one of several elements. */
const OPPOSITES: Record<string, (operand: Json) => Json> = {
  $ne: (operand) => ({ $eq: operand }),
  $nin: (operand) => ({ $in: operand }),
  $not: (operand) => operand,
}

/** Whether a query's tests are met together, from how many of them are met. */
const LOGIC: Record<string, (met: number, all: number) => boolean> = {
  $and: (met, all) => met === all,
  $or: (met) => met > 0,
  $nor: (met) => met === 0,
}

/** The test of the values that a `pull` by this condition takes out. */
export function pullTest(data: JsonObject): Test {
  return isOperators(data) ? condition(data) : matcher(data)
}

/** Whether a value is an object of operators (`{ $gt: 3 }`), in contrast to a value or a query by fields. */
function isOperators(value: Json): value is JsonObject {
  const first = isObject(value) ? Object.keys(value)[0] : undefined
  return first !== undefined && first[0] === '$' && !Object.hasOwn(LOGIC, first)
}

/**
 * The test that an object of operators stands for. All of them must hold for the value that `path` leads to;
 * where it leads through an array to several, each operator by itself may hold for any of them.
 *
 * @throws ParticleError `INVALID_OPERATION` for an operator that is unknown, or whose operand does not fit
 *   it.
 */
export function condition(operators: JsonObject, path: readonly string[] = []): Test {
  const tests = Object.entries(operators).map(([name, operand]): Test => {
    if (name === '$options' && '$regex' in operators) return () => true
    if (name === '$exists' && !operand) return not(condition({ $exists: true }, path))
    try {
      const opposite = Object.hasOwn(OPPOSITES, name) && OPPOSITES[name]?.(operand)
      if (opposite) return not(condition(object(opposite), path))
      const test = Object.hasOwn(OPERATORS, name) ? OPERATORS[name]?.(operand, operators) : undefined
      if (test) return (value) => reach(value, path).some(test)
    } catch (cause) {
      throw refusal(name, cause)
    }
    throw refusal(name)
  })
  return (value) => tests.every((test) => test(value))
}

/**
 * The test that a query by fields (`{ score: { $gte: 8 }, item: 'B' }`) stands for. Only objects meet it.
 *
 * @throws ParticleError `INVALID_OPERATION` as {@link condition} does, and for a query that is no object.
 */
export function matcher(query: Json): Test {
  if (!isObject(query)) throw refusal('a query')
  const tests = Object.entries(query).map(([name, operand]): Test => {
    if (name[0] !== '$') return condition(isOperators(operand) ? operand : { $eq: operand }, name.split('.'))
    const together = Object.hasOwn(LOGIC, name) ? LOGIC[name] : undefined
    if (!together || !Array.isArray(operand)) throw refusal(name)
    const parts = operand.map(anyQuery)
    return (value) => together(parts.filter((test) => test(value)).length, parts.length)
  })
  return (value) => isObject(value) && tests.every((test) => test(value))
}

function anyQuery(query: Json): Test {
  return isOperators(query) ? condition(query) : matcher(query)
}

/**
 * All that a dotted path leads to, through the elements of arrays too; `undefined` where it leads nowhere.
 */
function reach(value: Json | undefined, path: readonly string[]): (Json | undefined)[] {
  const [name, ...rest] = path
  if (name === undefined) return [value]
  if (!Array.isArray(value)) return isObject(value) ? reach(field(value, name), rest) : [undefined]
  const found = value.filter(isObject).flatMap((item) => reach(item, path))
  return /^\d+$/.test(name) && Number(name) < value.length
    ? [...reach(value[Number(name)], rest), ...found]
    : found
}

function typeNames(value: Json): Json[] {
  const name = TYPES[typeOrder(value)] ?? ''
  if (typeof value !== 'number') return [name]
  return [name, !Number.isInteger(value) ? 'double' : value === (value | 0) ? 'int' : 'long']
}

/** A test of an array holds where it holds for the array itself or for one of its elements. */
function anyOf(test: Test): Test {
  return (value) => test(value) || (Array.isArray(value) && value.some(test))
}

function not(test: Test): Test {
  return (value) => !test(value)
}

function list(operand: Json): Json[] {
  if (Array.isArray(operand)) return operand
  throw new TypeError('an array is needed')
}

function text(operand: Json): string {
  if (typeof operand === 'string') return operand
  throw new TypeError('a text is needed')
}

function object(operand: Json): JsonObject {
  if (isOperators(operand)) return operand
  throw new TypeError('an object of operators is needed')
}

function refusal(name: string, cause?: unknown): ParticleError {
  if (cause instanceof ParticleError) return cause
  return new ParticleError(
    'INVALID_OPERATION',
    `The condition of pull has ${name} in a way it does not know.`,
    {
      cause,
    },
  )
}
