/** Holds the outcome of one run of mocha, or of several that are counted as one. */
export interface Result {
  passed: number
  failures: number
  /** Full titles of the tests and hooks that failed, each with its reason. */
  failed: string[]
  /** Full titles of the tests that were skipped. */
  skipped: string[]
  /** Full titles of the tests that passed only at their second try, with the reason of the first. */
  retried: string[]
}

/** Lists full titles of the tests that may be skipped in CI, each with its reason. There are none. */
const ALLOWED: ReadonlyMap<string, string> = new Map()

/** Adds the outcomes of several runs. */
export function sum(results: readonly Result[]): Result {
  return {
    passed: results.reduce((total, { passed }) => total + passed, 0),
    failures: results.reduce((total, { failures }) => total + failures, 0),
    failed: results.flatMap(({ failed }) => failed),
    skipped: results.flatMap(({ skipped }) => skipped),
    retried: results.flatMap(({ retried }) => retried),
  }
}

/**
 * Prints every test that was skipped, tried again or failed, and a plain closing line that CI counts by. Returns
 * the number of failures: where CI is set, a skipped test is one, so that nothing leaves the suite unseen.
 */
export function closeWith({ passed, failures, failed: titles, skipped, retried }: Result): number {
  for (const title of skipped) console.log(`skipped: ${title}`)
  for (const title of retried) console.log(`tried again: ${title}`)
  for (const title of titles) console.log(`failed: ${title}`)
  const refused = process.env.CI ? skipped.filter((title) => !ALLOWED.has(title)) : []
  if (refused.length > 0) console.log('In CI a skipped test is a failed one.')
  const rest = skipped.length - refused.length
  const failed = failures + refused.length
  console.log(`\n${passed} passed, ${failed} failed${rest > 0 ? `, ${rest} skipped` : ''}`)
  return failed
}
