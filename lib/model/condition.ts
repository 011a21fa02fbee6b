import { ParticleError } from '../errors.ts'
import type { JsonObject } from './json.ts'
import { isOperators, LOGIC, queryTest, type Test } from './matching.ts'

/**
 * Compiles the condition of a `pull` into a test of values. Operators (`{ $gte: 3 }`) apply as in a query on
 * a field. A query by fields (`{ score: { $gte: 8 }, item: 'B' }`) applies to objects only.
 *
 * @throws ParticleError `INVALID_OPERATION` for an unknown operator, or an operand that does not fit the
 *   operator
 */
export function pullTest(data: JsonObject): Test {
  const [first = ''] = Object.keys(data)
  try {
    if (!isOperators(data) || LOGIC.has(first)) return queryTest(data)
    const test = queryTest({ value: data })
    return (value) => test(value === undefined ? {} : { value })
  } catch (cause) {
    // Hides the text of a SyntaxError: the text contains the pattern, which may be data.
    const how = cause instanceof TypeError ? cause.message : 'a pattern is not a regular expression'
    throw new ParticleError('INVALID_OPERATION', `The condition of a pull can't be used: ${how}`, { cause })
  }
}
