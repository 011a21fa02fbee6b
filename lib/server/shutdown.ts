import { ParticleError } from '../errors.ts'
import type { Log } from './feed/log.ts'
import type { ResolvedOptions } from './options/options.ts'
import type { Views } from './registry/views.ts'
import type { Dependencies } from './relations/dependencies.ts'
import type { Streams } from './sessions/streams.ts'
import { withTimeout } from './support/scheduling.ts'
import type { Upkeep } from './upkeep.ts'

/** Limits the wait of `disconnect` for the sources, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000

/** The time between two groups of streams that `drain` ends, in milliseconds. */
const DRAIN_STEP_MS = 50

/** Holds the parts of a server that end. */
export interface ShutdownOptions {
  options: Pick<ResolvedOptions, 'disconnect' | 'onError' | 'retry'>
  streams: Streams
  views: Views
  following: Dependencies
  rights: { close(): void }
  inspector: { close(): void } | undefined
  log: Log
  upkeep: Upkeep
}

/** Ends a server: the streams over a time, if the application drains them, then the sources. */
export class Shutdown {
  readonly #parts: ShutdownOptions
  /** Whether streams are being ended one after the other. */
  draining = false
  #drained: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(parts: ShutdownOptions) {
    this.#parts = parts
  }

  /** Whether the server opens no more streams. */
  get begun(): boolean {
    return this.closing || this.#drained !== undefined
  }

  /** Whether {@link Shutdown.disconnect} was called. */
  get closing(): boolean {
    return this.#closing !== undefined
  }

  /** @throws ParticleError `UNAVAILABLE` when the server opens no more streams */
  refuse(): void {
    if (this.begun) throw new ParticleError('UNAVAILABLE', 'The server is closing')
  }

  /** Ends all streams within a number of milliseconds. */
  drain(ms: number): Promise<void> {
    this.#drained ??= this.#drain(ms)
    return this.#drained
  }

  disconnect(): Promise<void> {
    this.#closing ??= this.#disconnect()
    return this.#closing
  }

  async #drain(ms: number): Promise<void> {
    this.draining = true
    // Continues one turn later, so that the end of a stream finds this promise when it asks for it.
    await Promise.resolve()
    const { streams, options } = this.#parts
    const [began, total] = [performance.now(), streams.open.size]
    for (;;) {
      const remaining = ms > 0 ? Math.ceil(total * Math.max(0, 1 - (performance.now() - began) / ms)) : 0
      streams.end('drained', Math.max(0, streams.open.size - remaining), () => jittered(options.retry))
      if (streams.open.size === 0) break
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS))
    }
    this.draining = false
  }

  async #disconnect(): Promise<void> {
    // Continues one turn later, as above.
    await Promise.resolve()
    const { streams, upkeep, views, following, rights, inspector, log, options } = this.#parts
    streams.end('server-closed')
    rights.close()
    inspector?.close()
    upkeep.stop()
    // Limits the wait. An unreachable source may not close in time for the end of the process.
    await withTimeout(Promise.all([views.close(), following.close()]), CLOSE_TIMEOUT_MS)
    log.clear()
    try {
      await options.disconnect?.()
    } catch (cause) {
      options.onError(new ParticleError('CALLBACK_FAILED', 'disconnect failed', { cause }))
    }
  }
}

/** Returns a random time around `ms`, since clients that wait for the same time come back together. */
function jittered(ms: number): number {
  return Math.round(ms * (0.5 + Math.random()))
}
