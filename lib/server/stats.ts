import type { Feed } from './feed/feed.ts'
import type { Log } from './feed/log.ts'
import type { SourceState } from './feed/source-report.ts'
import type { Sources } from './registry/sources.ts'
import type { Views } from './registry/views.ts'

/** Figures of a root. */
export interface RootStats {
  /** Distinct views of the root that streams look at. */
  views: number
  /** Streams that look at the root. */
  connections: number
  /** Streams among them whose client does not have the root up to date: it loads, or is reset. */
  loading: number
  /** Documents in those views, as far as they were read: one that two views show counts twice. */
  documents: number
}

/** Figures of a source. */
export interface SourceStats {
  /**
   * `closed`: nobody looks at it; `opening`: its first reader waits for it; `open`: it is followed;
   * `failing`: the last that came of it was an error, and it is tried again.
   */
  state: SourceState
  /** Views that follow it. */
  views: number
  /** When the last change arrived; undefined before the first. */
  changedAt: Date | undefined
  /**
   * Milliseconds from when the last change was made to when it arrived. Where the clocks of the store and
   * of this process differ, so does the figure.
   */
  lag: number | undefined
}

/** Figures of a server at one moment. */
export interface Stats {
  /** Open streams. */
  connections: number
  /** Distinct views that they look at. */
  views: number
  /** What is kept for clients that come back: changes, and their reckoned size in bytes. */
  replay: { changes: number; bytes: number }
  /** Figures by root, for each root of `dataSources`. */
  roots: Record<string, RootStats>
  /**
   * Figures by source: `mongo`, and `mongo:2` for a second adapter of that kind; `callbacks:users` for all
   * callbacks of the root `users`.
   */
  sources: Record<string, SourceStats>
}

/** States from the best to the worst: sources of one name have the worst of their states. */
const STATES: readonly SourceState[] = ['closed', 'open', 'opening', 'failing']

/** Counts what is there. Reads no source: the time it takes grows with streams and views alone. */
export function statsOf(connections: number, views: Views, sources: Sources, log: Log): Stats {
  const roots = new Map<string, RootStats>()
  for (const root of sources.roots) roots.set(root, { views: 0, connections: 0, loading: 0, documents: 0 })
  const feeds = new Set<Feed>(sources.followed)
  for (const view of views.open) {
    feeds.add(view.feed)
    const figures = roots.get(view.root)
    if (!figures) continue
    figures.views++
    figures.connections += view.viewers.size
    figures.documents += view.size
    for (const viewer of view.viewers) if (viewer.has?.(view) === false) figures.loading++
  }
  return {
    connections,
    views: views.size,
    replay: { changes: log.head - log.floor, bytes: log.bytes },
    roots: Object.fromEntries(roots),
    sources: sourcesOf(feeds),
  }
}

function sourcesOf(feeds: Iterable<Feed>): Record<string, SourceStats> {
  const sources: Record<string, SourceStats> = {}
  for (const { users, report } of feeds) {
    const { state, changedAt, lag } = report
    const alike = sources[report.name]
    const isLater = !alike?.changedAt || (changedAt !== undefined && changedAt > alike.changedAt)
    sources[report.name] = {
      state: alike && STATES.indexOf(alike.state) > STATES.indexOf(state) ? alike.state : state,
      views: users + (alike?.views ?? 0),
      changedAt: isLater ? changedAt : alike.changedAt,
      lag: isLater ? lag : alike.lag,
    }
  }
  return sources
}
