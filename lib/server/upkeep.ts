import { MAX_TIMER } from './options/options.ts'

/** What an upkeep does, and when; all times in milliseconds. */
export interface UpkeepOptions {
  /** Time between two beats. */
  interval: number
  /**
   * Time from the end of the last stream to the last sweep: all that is kept for clients who come back is too
   * old then.
   */
  rest: number
  beat: () => void
  sweep: () => void
}

/** Runs a server's periodic work: a beat while streams are open, and one sweep after the last has ended. */
export class Upkeep {
  readonly #options: UpkeepOptions
  #beats: NodeJS.Timeout | undefined
  #lastSweep: NodeJS.Timeout | undefined

  constructor(options: UpkeepOptions) {
    this.#options = options
  }

  /** A stream was opened. */
  start(): void {
    clearTimeout(this.#lastSweep)
    const { interval, beat } = this.#options
    this.#beats ??= setInterval(beat, interval).unref()
  }

  /** The last stream has ended. */
  rest(): void {
    this.stop()
    const { rest, sweep } = this.#options
    this.#lastSweep = setTimeout(sweep, Math.min(rest, MAX_TIMER)).unref()
  }

  stop(): void {
    clearInterval(this.#beats)
    this.#beats = undefined
    clearTimeout(this.#lastSweep)
  }
}
