// Mocha's spec reporter, and after it: every test that was skipped or that passed only at its second try, and a plain
// closing line that CI counts by.
// Where CI is set, a skipped test fails the run, so that nothing leaves the suite unseen.
import Mocha from 'mocha'

const { EVENT_TEST_PENDING, EVENT_TEST_PASS, EVENT_TEST_RETRY } = Mocha.Runner.constants

// Full titles of the tests that may be skipped in CI, each with its reason. There are none.
const ALLOWED = new Map([])

export default class Reporter extends Mocha.reporters.Spec {
  #skipped = []
  #retried = []
  #passed = 0

  constructor(runner, options) {
    super(runner, options)
    runner.on(EVENT_TEST_PENDING, (test) => this.#skipped.push(test.fullTitle()))
    runner.on(EVENT_TEST_PASS, () => this.#passed++)
    runner.on(EVENT_TEST_RETRY, (test, error) => this.#retried.push(`${test.fullTitle()}: ${error?.message}`))
  }

  /** Called by mocha at the very end; what it hands on is the process's exit code. */
  done(failures, finish) {
    for (const title of this.#skipped) console.log(`skipped: ${title}`)
    for (const title of this.#retried) console.log(`tried again: ${title}`)
    const refused = process.env.CI ? this.#skipped.filter((title) => !ALLOWED.has(title)) : []
    if (refused.length > 0) console.log('In CI a skipped test is a failed one.')
    const skipped = this.#skipped.length - refused.length
    console.log(
      `\n${this.#passed} passed, ${failures + refused.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
    )
    finish(failures + refused.length)
  }
}
