import { compare, equal, typeOrder } from './compare.ts'
import type { Json } from './document.ts'
import { field, isObject } from './json.ts'
import { positionOf } from './path.ts'
import { bounded, patternOf } from './pattern.ts'
import { notKnown } from './unknown.ts'

/** Checks a value against a condition; `undefined` stands for a missing value. */
export type Test = (value: Json | undefined) => boolean

/**
 * Applies a test of values to the values at a path. With `spread`, the elements of an array count as well as
 * the array.
 */
type Lift = (test: Test, spread: boolean) => Test

interface Leaf {
  test: Test
  spread: boolean
}

type Operators = Record<string, unknown>

/** Limits the values that are searched in a list: up to this number, a set is larger and no faster. */
const FEW = 16

/** The names of types by their position in BSON's order, and by MongoDB's type numbers. */
const TYPES = ['null', 'number', 'string', 'object', 'array', 'bool']
const TYPE_NUMBERS: ReadonlyMap<number, string> = new Map([
  [1, 'double'],
  [2, 'string'],
  [3, 'object'],
  [4, 'array'],
  [5, 'binData'],
  [6, 'undefined'],
  [7, 'objectId'],
  [8, 'bool'],
  [9, 'date'],
  [10, 'null'],
  [11, 'regex'],
  [12, 'dbPointer'],
  [13, 'javascript'],
  [14, 'symbol'],
  [15, 'javascriptWithScope'],
  [16, 'int'],
  [17, 'timestamp'],
  [18, 'long'],
  [19, 'decimal'],
  [-1, 'minKey'],
  [127, 'maxKey'],
])
const TYPE_NAMES: ReadonlySet<unknown> = new Set([...TYPE_NUMBERS.values(), 'number'])

/** The operators on a field's values. */
export const OPERATORS: readonly string[] = [
  '$eq',
  '$ne',
  '$gt',
  '$gte',
  '$lt',
  '$lte',
  '$in',
  '$nin',
  '$exists',
  '$type',
  '$size',
  '$all',
  '$elemMatch',
  '$regex',
  '$options',
  '$mod',
  '$not',
]

/** Operators that hold queries in a list. */
export const LOGIC: ReadonlySet<string> = new Set(['$and', '$or', '$nor'])

/** Compares only values of one type. */
const ORDERS: ReadonlyMap<string, (order: number) => boolean> = new Map([
  ['$gt', (order) => order > 0],
  ['$gte', (order) => order >= 0],
  ['$lt', (order) => order < 0],
  ['$lte', (order) => order <= 0],
])

/**
 * Compiles a query into a test of documents, by MongoDB's rules. The query's values must be JSON, or RegExps.
 *
 * @throws TypeError for an unknown operator, or an operand that does not fit the operator
 */
export function queryTest(query: Operators): Test {
  const tests: Test[] = []
  for (const [name, operand] of Object.entries(query)) {
    if (name === '$comment') continue
    tests.push(name.startsWith('$') ? logicTest(name, operand) : fieldTest(name.split('.'), operand))
  }
  const test = all(tests)
  return (document) => isObject(document) && test(document)
}

function logicTest(name: string, operand: unknown): Test {
  if (!LOGIC.has(name)) throw new TypeError(notKnown(name, LOGIC))
  const parts = list(operand, name).map((part) => queryTest(operators(part)))
  if (parts.length === 0) throw new TypeError(`${name} takes a list that is not empty`)
  if (name === '$and') return all(parts)
  const any: Test = (document) => parts.some((test) => test(document))
  return name === '$or' ? any : not(any)
}

function fieldTest(path: readonly string[], condition: unknown): Test {
  const [name = '', ...more] = path
  const lift = more.length > 0 ? liftAlong(path) : liftTo(name)
  return isOperators(condition) ? operatorsTest(condition, lift) : lift(valueTest(condition), true)
}

function liftAlong(path: readonly string[]): Lift {
  return (test, spread) => {
    const leaf = { test, spread }
    return (document) => reaches(document, path, 0, leaf)
  }
}

/** Lifts tests to one field, as most criteria test. Each of many views keeps its test. */
function liftTo(name: string): Lift {
  return (test, spread) => (document) =>
    passes(isObject(document) ? field(document, name) : undefined, test, spread)
}

/**
 * Requires all of the operators. Among several values at a path, each operator may hold for another value.
 */
function operatorsTest(conditions: Operators, lift: Lift): Test {
  return all(
    Object.entries(conditions).map(([name, operand]) => operatorTest(name, operand, conditions, lift)),
  )
}

function operatorTest(name: string, operand: unknown, beside: Operators, lift: Lift): Test {
  const order = ORDERS.get(name)
  if (order) {
    if (operand instanceof RegExp) throw new TypeError(`${name} takes no pattern`)
    return lift(
      (value) => typeOrder(value) === typeOrder(operand as Json) && order(compare(value, operand as Json)),
      true,
    )
  }
  switch (name) {
    case '$eq':
      return lift(equality(operand), true)
    case '$ne':
      return not(lift(equality(operand), true))
    case '$in':
      return lift(anyOf(list(operand, name)), true)
    case '$nin':
      return not(lift(anyOf(list(operand, name)), true))
    case '$exists': {
      const there = lift((value) => value !== undefined, false)
      return operand ? there : not(there)
    }
    case '$type':
      return lift(typeTest(Array.isArray(operand) ? operand : [operand]), true)
    case '$size':
      if (typeof operand !== 'number' || !Number.isInteger(operand) || operand < 0)
        throw new TypeError('$size takes a whole number of at least 0')
      return lift((value) => Array.isArray(value) && value.length === operand, false)
    case '$all': {
      const tests = list(operand, name).map((item, _, items) => {
        if (!isOperators(item)) return lift(valueTest(item), true)
        if (items.some((other) => !isElemMatch(other)))
          throw new TypeError('$all takes values, or $elemMatch in each element: no other operator')
        return operatorsTest(item, lift)
      })
      return tests.length === 0 ? () => false : all(tests)
    }
    case '$elemMatch': {
      const test = elementTest(operators(operand))
      return lift((value) => Array.isArray(value) && value.some(test), false)
    }
    case '$regex':
      return lift(patternTest(patternOf(operand, beside.$options)), true)
    case '$options':
      if (!('$regex' in beside)) throw new TypeError('$options needs a $regex')
      return () => true
    case '$mod':
      return lift(remainderTest(list(operand, name)), true)
    case '$not':
      if (operand instanceof RegExp) return not(lift(patternTest(bounded(operand)), true))
      if (!isOperators(operand)) throw new TypeError('$not takes operators or a pattern')
      return not(operatorsTest(operand, lift))
    default:
      throw new TypeError(notKnown(name, OPERATORS))
  }
}

/**
 * Compiles `$elemMatch`: operators for the element itself, or a query for an element that is an object. The
 * fields of an array are its positions.
 */
function elementTest(condition: Operators): Test {
  const [first = ''] = Object.keys(condition)
  if (first.startsWith('$') && !LOGIC.has(first)) return operatorsTest(condition, (test) => test)
  const test = queryTest(condition)
  return (element) => test(Array.isArray(element) ? ({ ...element } as never) : element)
}

/**
 * Checks that one of the values at a path passes. Through an array, the path leads to the elements that are
 * objects (also to their missing fields), and to the element at a position. An array within an array is
 * entered by position only.
 */
function reaches(value: Json | undefined, path: readonly string[], at: number, leaf: Leaf): boolean {
  const name = path[at]
  if (name === undefined) return passes(value, leaf.test, leaf.spread)
  if (!Array.isArray(value))
    return isObject(value) ? reaches(field(value, name), path, at + 1, leaf) : leaf.test(undefined)
  for (const element of value) if (isObject(element) && reaches(element, path, at, leaf)) return true
  const position = positionOf(name) ?? Number.POSITIVE_INFINITY
  if (position >= value.length) return false
  // Treats an array at a position at the path's end as a whole only.
  const element = value[position]
  if (at + 1 === path.length) return leaf.test(element)
  return typeof element === 'object' && element !== null && reaches(element, path, at + 1, leaf)
}

function passes(value: Json | undefined, test: Test, spread: boolean): boolean {
  return (spread && Array.isArray(value) && value.some(test)) || test(value)
}

function valueTest(value: unknown): Test {
  return value instanceof RegExp ? patternTest(bounded(value)) : equality(value)
}

function equality(value: unknown): Test {
  if (value instanceof RegExp) throw new TypeError('$eq and $ne take no pattern')
  if (value === null) return (given) => given === null || given === undefined
  if (typeof value !== 'object') return (given) => given === value
  // Excludes missing values: they are no objects, though `compare` treats them as null.
  return (given) => typeof given === 'object' && equal(given, value as Json)
}

function anyOf(values: readonly unknown[]): Test {
  const scalars: unknown[] = []
  const tests: Test[] = []
  for (const value of values) {
    if (isOperators(value)) throw new TypeError('A list of values holds no operators')
    if (value === null || typeof value === 'object') tests.push(valueTest(value))
    else scalars.push(value)
  }
  const known = scalars.length > FEW ? new Set(scalars) : undefined
  const has = known ? (given: unknown) => known.has(given) : (given: unknown) => scalars.includes(given)
  return tests.length === 0 ? has : (given) => has(given) || tests.some((test) => test(given))
}

function patternTest(pattern: RegExp): Test {
  return (value) => typeof value === 'string' && pattern.test(value)
}

function remainderTest(operand: readonly unknown[]): Test {
  const [divisor = 0, remainder = Number.NaN] = operand.map((part) =>
    // Refuses a number that no 64-bit integer holds, as MongoDB does.
    typeof part === 'number' && Math.abs(part) < 2 ** 63 ? Math.trunc(part) : Number.NaN,
  )
  if (!divisor || Number.isNaN(remainder) || operand.length !== 2)
    throw new TypeError('$mod takes a divisor and a remainder')
  // Uses two equals signs: unlike Object.is, they treat the remainder -0 as 0.
  return (value) => typeof value === 'number' && Math.trunc(value) % divisor === remainder
}

function typeTest(given: readonly unknown[]): Test {
  const names = given.map((name) => (typeof name === 'number' ? TYPE_NUMBERS.get(name) : name))
  if (names.length === 0 || !names.every((name) => TYPE_NAMES.has(name)))
    throw new TypeError('$type takes names or numbers of types')
  return (value) => {
    if (value === undefined) return false
    if (names.includes(TYPES[typeOrder(value)])) return true
    if (typeof value !== 'number') return false
    return names.includes(!Number.isInteger(value) ? 'double' : value === (value | 0) ? 'int' : 'long')
  }
}

/** Checks for an object of operators, in contrast to an object that is a value. */
export function isOperators(value: unknown): value is Operators {
  if (!isObject(value) || value instanceof RegExp) return false
  const [first] = Object.keys(value)
  return first?.startsWith('$') ?? false
}

function isElemMatch(value: unknown): boolean {
  return isOperators(value) && Object.keys(value).every((name) => name === '$elemMatch')
}

function operators(value: unknown): Operators {
  if (isObject(value) && !(value instanceof RegExp)) return value
  throw new TypeError('An object is needed')
}

function list(operand: unknown, name: string): unknown[] {
  if (Array.isArray(operand)) return operand
  throw new TypeError(`${name} takes a list`)
}

function all(tests: readonly Test[]): Test {
  const [first, ...more] = tests
  if (!first) return () => true
  return more.length === 0 ? first : (value) => tests.every((test) => test(value))
}

function not(test: Test): Test {
  return (value) => !test(value)
}
