import { openSync, readSync } from 'node:fs'

/** How often the event loop is looked at, in milliseconds. */
const RESOLUTION = 1

/**
 * The longest time for which the event loop did not come round, in milliseconds. The time for which the process waited for a core, which others
 * had, doesn't count where the system tells it (Linux).
 */
export class Stalls {
  longest = 0
  readonly #schedule = openSchedule()
  readonly #text = Buffer.alloc(100)
  #timer: NodeJS.Timeout | undefined

  start(): void {
    let last = this.#now()
    const look = () => {
      const now = this.#now()
      this.longest = Math.max(this.longest, now - last - RESOLUTION)
      last = now
      this.#timer = setTimeout(look, RESOLUTION)
    }
    this.#timer = setTimeout(look, RESOLUTION)
  }

  stop(): number {
    clearTimeout(this.#timer)
    return this.longest
  }

  /** The time, less what was spent in waiting for a core. */
  #now(): number {
    return performance.now() - this.#waited()
  }

  #waited(): number {
    if (this.#schedule === undefined) return 0
    const length = readSync(this.#schedule, this.#text, 0, this.#text.length, 0)
    return Number(this.#text.toString('latin1', 0, length).split(' ')[1]) / 1e6
  }
}

function openSchedule(): number | undefined {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
  } catch {
    return undefined
  }
}
