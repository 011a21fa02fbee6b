import { sourceOf } from '../protocol/watched-root.ts'
import type { ConnectionHost } from './delivery/connection-host.ts'
import type { Feed } from './feed/feed.ts'
import type { SourceState } from './feed/source-report.ts'
import type { Sources } from './registry/sources.ts'
import type { Views } from './registry/views.ts'
import type { Stream } from './sessions/stream.ts'

/** Describes the figures of a root. */
export interface RootStats {
  /** The number of distinct views of the root with open streams. */
  views: number
  /** The number of streams that show the root. */
  connections: number
  /** The number of these streams whose client lacks current data, because the root loads or is reset. */
  loading: number
  /**
   * The number of documents in these views, as far as they were read. A document in two views counts twice.
   */
  documents: number
}

/** Describes the figures of a source. */
export interface SourceStats {
  /**
   * The state: `closed` without readers, `opening` while the first reader waits, `open` while the source is
   * followed, `failing` after an error, until a retry succeeds.
   */
  state: SourceState
  /** The number of views that follow the source. */
  views: number
  /** The time of the last change's arrival; undefined before the first change. */
  changedAt: Date | undefined
  /**
   * The milliseconds between the last change and its arrival. Includes the difference between the clocks of
   * the store and of this process.
   */
  lag: number | undefined
  /**
   * Names the reader of the changes, with the option `oncePerHost`: `leader` is this process, for its host,
   * `follower` is another process, `own` is this process for itself alone. Left out without the option.
   */
  role?: 'leader' | 'follower' | 'own'
}

/** Describes the figures of a server at one moment. */
export interface Stats {
  /** The number of open streams. */
  connections: number
  /** The number of distinct views with open streams. */
  views: number
  /** The bytes that were written to all streams since the start, before compression. */
  sent: number
  /** The bytes that wait in memory because their clients have not taken them yet. */
  buffered: number
  /**
   * The changes that are kept for clients that reconnect, their estimated size in bytes, and the age of the
   * oldest in milliseconds.
   */
  replay: { changes: number; bytes: number; age: number }
  /** The figures by root, for each root of `dataSources`. All watched roots of a source count together. */
  roots: Record<string, RootStats>
  /**
   * The figures by source: `mongo`, `mongo:2` for a second adapter of that kind, and `callbacks:users` for
   * all callbacks of the root `users`.
   */
  sources: Record<string, SourceStats>
}

/** The states from the best to the worst. Sources of one name get the worst of their states. */
const STATES: readonly SourceState[] = ['closed', 'open', 'opening', 'failing']

/** Counts streams, views and changes. Reads no source, so that its time grows only with streams and views. */
export function statsOf(
  streams: ReadonlySet<Stream>,
  views: Views,
  sources: Sources,
  { log, flusher }: Pick<ConnectionHost, 'log' | 'flusher'>,
): Stats {
  const roots = new Map<string, RootStats>()
  for (const root of sources.roots) roots.set(root, { views: 0, connections: 0, loading: 0, documents: 0 })
  const feeds = new Set<Feed>(sources.followed)
  for (const view of views.open) {
    feeds.add(view.feed)
    const figures = roots.get(sourceOf(view.root))
    if (!figures) continue
    figures.views++
    figures.connections += view.viewers.size
    figures.documents += view.size
    for (const viewer of view.viewers) if (viewer.has?.(view) === false) figures.loading++
  }
  let buffered = 0
  for (const { connection } of streams) buffered += connection.buffered
  const oldest = log.at(log.floor + 1)?.time
  const age = oldest === undefined ? 0 : Math.max(0, Date.now() - oldest)
  return {
    connections: streams.size,
    views: views.size,
    sent: flusher.sent,
    buffered,
    replay: { changes: log.head - log.floor, bytes: log.bytes, age },
    roots: Object.fromEntries(roots),
    sources: sourcesOf(feeds),
  }
}

function sourcesOf(feeds: Iterable<Feed>): Record<string, SourceStats> {
  const sources: Record<string, SourceStats> = {}
  for (const { users, report } of feeds) {
    const { state, changedAt, lag, role } = report
    const alike = sources[report.name]
    const isLater = !alike?.changedAt || (changedAt !== undefined && changedAt > alike.changedAt)
    sources[report.name] = {
      state: alike && STATES.indexOf(alike.state) > STATES.indexOf(state) ? alike.state : state,
      views: users + (alike?.views ?? 0),
      changedAt: isLater ? changedAt : alike.changedAt,
      lag: isLater ? lag : alike.lag,
      ...(role === undefined ? {} : { role }),
    }
  }
  return sources
}
