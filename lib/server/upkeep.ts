import { MAX_TIMER } from './options/options.ts'

/** Describes the periodic work of a server. All times are in milliseconds. */
export interface UpkeepOptions {
  /** The time between two beats. */
  interval: number
  /**
   * The time from the end of the last stream to the last sweep. All data that is kept for reconnecting
   * clients is outdated then.
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

  /** Starts the beats after a stream was opened. */
  start(): void {
    clearTimeout(this.#lastSweep)
    const { interval, beat } = this.#options
    this.#beats ??= setInterval(beat, interval).unref()
  }

  /** Stops the beats after the last stream has ended, and plans the last sweep. */
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
