import { type Aggregator, Counter, Gauge, type Registry } from 'prom-client'
import type { RootStats, SourceStats, Stats } from '../server/stats.ts'

/** The registry, and the beginning of all names. */
export interface Place {
  register: Registry
  prefix: string
}

/** Describes the metrics of the server, without labels. */
const TOTALS: Record<string, [help: string, value: (stats: Stats) => number]> = {
  connections: ['Open streams', (stats) => stats.connections],
  views: ['Distinct views with open streams', (stats) => stats.views],
  buffered_bytes: ['Bytes that wait in memory for slow clients', (stats) => stats.buffered],
  replay_changes: ['Changes kept for clients that reconnect', (stats) => stats.replay.changes],
  replay_bytes: ['Estimated bytes of the kept changes', (stats) => stats.replay.bytes],
  replay_age_seconds: ['Age of the oldest kept change', (stats) => stats.replay.age / 1000],
}

/** Describes the metrics of each root. */
const ROOTS: Record<string, [help: string, value: (root: RootStats) => number]> = {
  root_views: ['Distinct views of the root', (root) => root.views],
  root_subscribers: ['Streams that show the root', (root) => root.connections],
  root_loading: ['Streams whose client lacks current data of the root', (root) => root.loading],
  root_documents: ['Documents in the views of the root', (root) => root.documents],
}

/** Describes the metrics of each source. */
const SOURCES: Record<string, [help: string, value: (source: SourceStats) => number | undefined]> = {
  source_failing: ['1 while the source fails, otherwise 0', ({ state }) => Number(state === 'failing')],
  source_views: ['Views that follow the source', ({ views }) => views],
  source_changed_timestamp_seconds: [
    "Time of the last change's arrival",
    ({ changedAt }) => changedAt && changedAt.getTime() / 1000,
  ],
}

/** Names the metrics whose sum over several processes means nothing: a state, an age and a moment. */
const LARGEST = new Set(['replay_age_seconds', 'source_failing', 'source_changed_timestamp_seconds'])

/** Registers the metrics of `server.stats()`. Returns their names. */
export function collectFigures(read: () => Stats, { register, prefix }: Place): string[] {
  const stats = shared(read)
  const names: string[] = []
  const named = (name: string) => {
    names.push(prefix + name)
    // Chooses how the AggregatorRegistry of node:cluster joins the processes. Its default is the sum.
    const aggregator: Aggregator = LARGEST.has(name) ? 'max' : 'sum'
    return { name: prefix + name, registers: [register], aggregator }
  }
  for (const [name, [help, value]] of Object.entries(TOTALS)) {
    const gauge: Gauge = new Gauge({ ...named(name), help, collect: () => gauge.set(value(stats())) })
  }
  const sent: Counter = new Counter({
    ...named('sent_bytes_total'),
    help: 'Bytes written to all streams, before compression',
    collect: () => {
      sent.reset()
      sent.inc(stats().sent)
    },
  })
  const collectEach = <T>(
    label: string,
    [name, [help, value]]: [string, [string, (figures: T) => number | undefined]],
    all: () => Record<string, T>,
  ) => {
    const gauge: Gauge = new Gauge({
      ...named(name),
      help,
      labelNames: [label],
      collect: () => {
        gauge.reset()
        for (const [of, figures] of Object.entries(all())) {
          const figure = value(figures)
          if (figure !== undefined) gauge.set({ [label]: of }, figure)
        }
      },
    })
  }
  for (const each of Object.entries(ROOTS)) collectEach('root', each, () => stats().roots)
  for (const each of Object.entries(SOURCES)) collectEach('source', each, () => stats().sources)
  return names
}

/** Shares the figures among all metrics of a scrape, since counting them visits each stream. */
function shared(read: () => Stats): () => Stats {
  let stats: Stats | undefined
  return () => {
    if (!stats) {
      stats = read()
      setImmediate(() => {
        stats = undefined
      })
    }
    return stats
  }
}
