import type { Continuations } from './auth/continuations.ts'
import type { ConnectionHost } from './delivery/connection-host.ts'
import type { Log } from './feed/log.ts'
import type { ResolvedOptions } from './options/options.ts'
import type { Views } from './registry/views.ts'
import type { Dependencies } from './relations/dependencies.ts'
import type { Streams } from './sessions/streams.ts'

/** Holds the parts of a server that need periodic work. */
export interface UpkeepOptions {
  options: Pick<ResolvedOptions, 'heartbeat' | 'sessionTtl'>
  log: Log
  views: Views
  continuations: Continuations
  following: Dependencies
  host: ConnectionHost
  streams: Streams
}

/**
 * Runs a server's periodic work from the first stream on. The work goes on while no stream is open, because
 * changes may still come, such as those of the collection of `control`.
 */
export class Upkeep {
  readonly #parts: UpkeepOptions
  #beats: NodeJS.Timeout | undefined

  constructor(parts: UpkeepOptions) {
    this.#parts = parts
  }

  start(): void {
    this.#beats ??= setInterval(() => this.#beat(), this.#parts.options.heartbeat).unref()
  }

  stop(): void {
    clearInterval(this.#beats)
    this.#beats = undefined
  }

  #beat(): void {
    const { options, log, views, continuations, following, host, streams } = this.#parts
    const now = Date.now()
    log.trim(now)
    views.sweep(now)
    continuations.sweep()
    following.sweep()
    host.catchUps.sweep()
    host.readings.sweep()
    host.ids.clear()
    streams.beat(Math.max(options.heartbeat * 2, options.sessionTtl / 5))
  }
}
