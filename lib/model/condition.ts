import { ParticleError } from '../errors.ts'
import type { JsonObject } from './json.ts'
import { isOperators, LOGIC, queryTest, type Test } from './matching.ts'

/**
 * The test of the values that a `pull` by this condition takes out. Operators (`{ $gte: 3 }`) hold as those
 * on a field do,
 * a query by fields (`{ score: { $gte: 8 }, item: 'B' }`) for objects only.
 *
 * @throws ParticleError `INVALID_OPERATION` for an operator that is unknown, or whose operand does not fit it
 */
export function pullTest(data: JsonObject): Test {
  const [first = ''] = Object.keys(data)
  try {
    if (!isOperators(data) || LOGIC.has(first)) return queryTest(data)
    const test = queryTest({ value: data })
    return (value) => test(value === undefined ? {} : { value })
  } catch (cause) {
    // A pattern's SyntaxError holds the pattern, which may be data.
    const how = cause instanceof TypeError ? cause.message : 'a pattern is not a regular expression'
    throw new ParticleError('INVALID_OPERATION', `The condition of a pull can't be used: ${how}`, { cause })
  }
}
