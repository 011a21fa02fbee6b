import type { ConnectionHost } from './delivery/connection-host.ts'
import type { Log } from './feed/log.ts'
import { MAX_TIMER, type ResolvedOptions } from './options/options.ts'
import type { Views } from './registry/views.ts'
import type { Dependencies } from './relations/dependencies.ts'
import type { Streams } from './sessions/streams.ts'

/** Holds the parts of a server that need periodic work. */
export interface UpkeepOptions {
  options: Pick<ResolvedOptions, 'heartbeat' | 'sessionTtl' | 'replay'>
  log: Log
  views: Views
  following: Dependencies
  host: ConnectionHost
  streams: Streams
}

/** Runs a server's periodic work: beats while streams are open, and sweeps until nothing is kept for them. */
export class Upkeep {
  readonly #parts: UpkeepOptions
  #beats: NodeJS.Timeout | undefined
  #lastSweep: NodeJS.Timeout | undefined

  constructor(parts: UpkeepOptions) {
    this.#parts = parts
  }

  /** Starts the beats after a stream was opened. */
  start(): void {
    clearTimeout(this.#lastSweep)
    this.#beats ??= setInterval(() => this.#beat(), this.#parts.options.heartbeat).unref()
  }

  /** Stops the beats after the last stream has ended, and plans the last sweep. */
  rest(): void {
    this.stop()
    const { options, log } = this.#parts
    // Waits until all data that is kept for reconnecting clients is outdated.
    const rest = Math.min(options.replay.ms + 1, MAX_TIMER)
    const sweep = () => {
      this.#sweep()
      // Sweeps again for changes that came after the last stream.
      if (log.head > log.floor) this.rest()
    }
    this.#lastSweep = setTimeout(sweep, rest).unref()
  }

  stop(): void {
    clearInterval(this.#beats)
    this.#beats = undefined
    clearTimeout(this.#lastSweep)
  }

  #beat(): void {
    const { options, host, streams } = this.#parts
    this.#sweep()
    host.ids.clear()
    streams.beat(Math.max(options.heartbeat * 2, options.sessionTtl / 5))
  }

  #sweep(): void {
    const { log, views, following, host } = this.#parts
    const now = Date.now()
    log.trim(now)
    views.sweep(now)
    following.sweep()
    host.catchUps.sweep()
    host.readings.sweep()
  }
}
