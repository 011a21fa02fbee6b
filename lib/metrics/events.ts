import { Counter, Histogram } from 'prom-client'
import type { DebugEvent, Diagnostics } from '../server/support/diagnostics.ts'
import type { Trace } from '../server/support/traces.ts'
import type { Place } from './figures.ts'

/** The codes that a client gets when it exceeds a limit. */
const LIMITS = [
  'TOO_MANY_HANDSHAKES',
  'TOO_MANY_REQUESTS',
  'TOO_MANY_STREAMS',
  'LIMIT_EXCEEDED',
  'BODY_TOO_LARGE',
  'BODY_TOO_SLOW',
]

/** The upper bounds of the histograms' buckets, in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/**
 * Counts the debug events and the traces of a server. Returns the metrics' names, and the function that ends
 * it.
 */
export function collectEvents(
  diagnostics: Diagnostics,
  { register, prefix }: Place,
): { names: string[]; stop: () => void } {
  const meters = new Meters({ register, prefix })
  const stop = diagnostics.observe(
    (event) => meters.count(event),
    (trace) => meters.measure(trace),
  )
  return { names: meters.names, stop }
}

class Meters {
  readonly names: string[] = []
  readonly #place: Place
  readonly #changes: Counter
  readonly #deliveries: Counter
  readonly #handshakes: Counter
  readonly #refused: Counter
  readonly #resumes: Counter
  readonly #resets: Counter
  readonly #diffs: Counter
  readonly #closed: Counter
  readonly #limits: Counter
  readonly #failures: Counter
  readonly #lost: Counter
  readonly #lag: Histogram
  readonly #lookups: Histogram
  readonly #ready: Histogram
  readonly #reads: Histogram

  constructor(place: Place) {
    this.#place = place
    this.#changes = this.#counter('changes_total', 'Changes of a source', 'source')
    this.#deliveries = this.#counter('deliveries_total', 'Events of changes, for each stream', 'source')
    this.#handshakes = this.#counter('handshakes_total', 'Handshakes, by outcome or error code', 'outcome')
    this.#refused = this.#counter('streams_refused_total', 'Refused streams, by error code', 'code')
    this.#resumes = this.#counter('resumes_total', 'Presented positions, by result', 'result')
    this.#resets = this.#counter('resets_total', 'Roots that were loaded again', 'root', 'reason')
    this.#diffs = this.#counter('diffs_total', 'Roots that got a difference', 'root', 'reason')
    this.#closed = this.#counter('streams_closed_total', 'Ended streams, by reason', 'reason')
    this.#limits = this.#counter('limits_hit_total', 'Exceeded limits, by error code or option', 'limit')
    this.#failures = this.#counter('source_failures_total', 'Failures of a source, by step', 'source', 'step')
    this.#lost = this.#counter('source_lost_total', 'Losses of a history', 'source')
    this.#lag = this.#histogram('lag_seconds', "Time from the store's change to the sockets", 'source')
    this.#lookups = this.#histogram('lookup_seconds', 'Time of identityLookup, by outcome', 'outcome')
    this.#ready = this.#histogram('ready_seconds', 'Time until a client is up to date')
    this.#reads = this.#histogram('view_read_seconds', 'Time to read a view from its source', 'root')
  }

  count(event: DebugEvent): void {
    switch (event.name) {
      case 'handshake':
        this.#handshakes.inc({ outcome: event.continued ? 'continued' : 'new' })
        break
      case 'handshake.refused':
        this.#handshakes.inc({ outcome: event.code })
        this.#countLimit(event.code)
        break
      case 'stream.refused':
        this.#refused.inc({ code: event.code })
        this.#countLimit(event.code)
        break
      case 'stream.resume':
        this.#resumes.inc({ result: event.reason ?? 'resumed' })
        break
      case 'stream.ready':
        this.#ready.observe(event.ms / 1000)
        break
      case 'stream.reset':
        this.#resets.inc({ root: event.root, reason: event.reason })
        break
      case 'stream.diff':
        this.#diffs.inc({ root: event.root, reason: event.reason })
        break
      case 'stream.slow':
        this.#limits.inc({ limit: 'maxBufferedBytes' })
        break
      case 'stream.close':
        this.#closed.inc({ reason: event.reason })
        this.#countLimit(event.reason)
        break
      case 'source.failed':
        this.#failures.inc({ source: event.source, step: event.step })
        break
      case 'source.lost':
        this.#lost.inc({ source: event.source })
        break
      case 'view.read':
        this.#reads.observe({ root: event.root }, event.ms / 1000)
        break
    }
  }

  measure(trace: Trace): void {
    if (trace.name === 'lookup') {
      this.#lookups.observe({ outcome: trace.outcome }, (trace.ended - trace.began) / 1000)
      return
    }
    if (trace.name !== 'delivery') return
    const { source, changes, streams, changedAt, ended } = trace
    this.#changes.inc({ source }, changes)
    this.#deliveries.inc({ source }, streams)
    // Leaves out changes that no stream got: they have not reached a socket.
    if (changedAt === undefined || streams === 0) return
    this.#lag.observe({ source }, Math.max(0, ended - changedAt) / 1000)
  }

  #countLimit(code: string): void {
    if (LIMITS.includes(code)) this.#limits.inc({ limit: code })
    else if (code === 'lifetime') this.#limits.inc({ limit: 'streamMs' })
  }

  #counter(name: string, help: string, ...labelNames: string[]): Counter {
    return new Counter({ ...this.#named(name), help, labelNames })
  }

  #histogram(name: string, help: string, ...labelNames: string[]): Histogram {
    return new Histogram({ ...this.#named(name), help, labelNames, buckets: BUCKETS })
  }

  #named(name: string) {
    const { register, prefix } = this.#place
    this.names.push(prefix + name)
    return { name: prefix + name, registers: [register] }
  }
}
