// Extends mocha's spec reporter by a closing line that CI counts by. In a lane (scripts/test.ts) it writes the
// outcome to the file that SPEC_RESULT names instead, since the lanes have one closing line together.
import { writeFileSync } from 'node:fs'
import Mocha from 'mocha'
import { closeWith } from './result.ts'

const { EVENT_TEST_FAIL, EVENT_TEST_PENDING, EVENT_TEST_PASS, EVENT_TEST_RETRY } = Mocha.Runner.constants
const FILE = process.env.SPEC_RESULT
// A mocha that a spec starts must not write there.
delete process.env.SPEC_RESULT

export default class Reporter extends Mocha.reporters.Spec {
  #skipped = []
  #retried = []
  #failed = []
  #passed = 0

  constructor(runner, options) {
    super(runner, options)
    runner.on(EVENT_TEST_PENDING, (test) => this.#skipped.push(test.fullTitle()))
    runner.on(EVENT_TEST_PASS, () => this.#passed++)
    runner.on(EVENT_TEST_FAIL, (test, error) => this.#failed.push(`${test.fullTitle()}: ${error?.message}`))
    runner.on(EVENT_TEST_RETRY, (test, error) => this.#retried.push(`${test.fullTitle()}: ${error?.message}`))
  }

  /** Called by mocha at the very end; what it hands on is the process's exit code. */
  done(failures, finish) {
    const [passed, failed, skipped, retried] = [this.#passed, this.#failed, this.#skipped, this.#retried]
    const result = { passed, failures, failed, skipped, retried }
    if (FILE === undefined) return finish(closeWith(result))
    writeFileSync(FILE, JSON.stringify(result))
    finish(failures)
  }
}
