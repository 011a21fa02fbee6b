import { ParticleError } from '../../errors.ts'

/** How long the same fault is not reported again, in milliseconds. */
const REPORT_INTERVAL_MS = 60_000

/** How many faults of different texts are told apart within one interval. */
const MAX_FAULTS = 20

const OTHERS = 'others'

/** What was reported, and what came after it within the interval. */
interface Fault {
  error: Error
  repeats: number
}

/**
 * Reports a fault at once, and what repeats it once a minute with a count: any client may cause a fault as
 * often as it likes.
 */
export class Faults {
  readonly #onError: (error: Error) => void
  readonly #interval: number
  readonly #faults = new Map<string, Fault>()

  constructor(onError: (error: Error) => void, interval = REPORT_INTERVAL_MS) {
    this.#onError = onError
    this.#interval = interval
  }

  /** @param topic what counts as the same fault; default: the error's code and message */
  report(error: Error, topic = topicOf(error)): void {
    const isOther = !this.#faults.has(topic) && this.#faults.size >= MAX_FAULTS
    const key = isOther ? OTHERS : topic
    const fault = this.#faults.get(key)
    if (fault) {
      fault.error = error
      fault.repeats++
      return
    }
    this.#watch(key, error)
    this.#onError(error)
  }

  /**
   * Passes an error on at once, but one of a limit as a fault: each client of a root that is too large
   * meets it.
   */
  pass(error: Error): void {
    if (error instanceof ParticleError && error.code === 'LIMIT_EXCEEDED') this.report(error)
    else this.#onError(error)
  }

  #watch(key: string, error: Error): void {
    const fault: Fault = { error, repeats: 0 }
    this.#faults.set(key, fault)
    const summarize = () => {
      this.#faults.delete(key)
      if (fault.repeats === 0) return
      // The next minute begins: what goes on is told once in each.
      this.#watch(key, fault.error)
      this.#onError(this.#summary(fault, key === OTHERS))
    }
    setTimeout(summarize, this.#interval).unref()
  }

  #summary({ error, repeats }: Fault, areOthers: boolean): Error {
    const seconds = Math.round(this.#interval / 1_000)
    const times = `${repeats} more ${repeats === 1 ? 'time' : 'times'} in ${seconds} s`
    const sentence = `${error.message} (${times}${areOthers ? ', with other messages too' : ''})`
    const code = error instanceof ParticleError ? error.code : 'CALLBACK_FAILED'
    return new ParticleError(code, sentence, { cause: error })
  }
}

function topicOf(error: Error): string {
  const code = error instanceof ParticleError ? error.code : error.name
  return `${code} ${error.message}`
}
