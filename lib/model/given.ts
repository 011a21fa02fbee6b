/**
 * Describes a common wrong argument: a check for it, and a sentence that names it and says what to pass
 * instead.
 */
export type Mistaken = readonly [is: (given: Record<string, unknown>) => boolean, sentence: string]

/**
 * Describes a wrong argument, and says what to pass instead.
 *
 * @param mistaken the common wrong arguments; the first match counts
 */
export function describeGiven(given: unknown, mistaken: readonly Mistaken[] = []): string {
  if (given === undefined || given === null) return `this is ${given}`
  if (typeof given !== 'object' && typeof given !== 'function') return `this is a ${typeof given}`
  const fields = given as Record<string, unknown>
  const found = mistaken.find(([is]) => is(fields))
  if (found) return `this is ${found[1]}`
  if (typeof fields.then === 'function') return 'this is a promise: await it first'
  if (typeof given === 'function') return 'this is a function'
  const name = given.constructor?.name
  return name === undefined || name === 'Object' ? 'this is another object' : `this is an object of ${name}`
}
