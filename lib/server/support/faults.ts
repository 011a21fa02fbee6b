import { ParticleError } from '../../errors.ts'
import { counted } from '../../model/count.ts'

/** The pause between two reports of the same fault, in milliseconds. */
const REPORT_INTERVAL_MS = 60_000

/** Limits the faults with different texts within one pause. */
const MAX_FAULTS = 20

const OTHERS = 'others'

/** Holds a reported fault, and the count of its repetitions during the pause. */
interface Fault {
  error: Error
  repeats: number
}

/**
 * Reports a fault at once, and its repetitions once a minute with a count. Any client may cause a fault again
 * and again.
 */
export class Faults {
  readonly #onError: (error: Error) => void
  readonly #interval: number
  readonly #faults = new Map<string, Fault>()

  constructor(onError: (error: Error) => void, interval = REPORT_INTERVAL_MS) {
    this.#onError = onError
    this.#interval = interval
  }

  /** @param topic identifies the same fault; default: the error's code and message */
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

  /** Reports an error at once, except an exceeded limit, which each client of a root may cause. */
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
      // Starts the next minute. A continuing fault is reported once in each.
      this.#watch(key, fault.error)
      this.#onError(this.#summary(fault, key === OTHERS))
    }
    setTimeout(summarize, this.#interval).unref()
  }

  #summary({ error, repeats }: Fault, areOthers: boolean): Error {
    const seconds = Math.round(this.#interval / 1_000)
    const times = `${counted(repeats, 'more time')} in ${seconds} s`
    const sentence = `${error.message} (${times}${areOthers ? ', with other messages too' : ''})`
    const code = error instanceof ParticleError ? error.code : 'CALLBACK_FAILED'
    return new ParticleError(code, sentence, { cause: error })
  }
}

function topicOf(error: Error): string {
  const code = error instanceof ParticleError ? error.code : error.name
  return `${code} ${error.message}`
}
