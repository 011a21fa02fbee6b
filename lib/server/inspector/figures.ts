import { createHmac, randomBytes } from 'node:crypto'
import type { Figures, SourceFigures, StreamFigures } from '../../inspector/messages.ts'
import { canonical } from '../../model/json.ts'
import type { Admission } from '../auth/admitted.ts'
import type { Log } from '../feed/log.ts'
import type { Views } from '../registry/views.ts'
import type { Stream } from '../sessions/stream.ts'

/** Limits the connections and the views that the page lists. */
const MAX_LISTED = 100

/** Describes the figures of `server.stats()`. */
interface Totals {
  connections: number
  views: number
  buffered: number
  replay: { changes: number; bytes: number; age: number }
  roots: Record<string, Omit<Figures['roots'][number], 'root'>>
  sources: Record<string, Omit<SourceFigures, 'name' | 'changedAt'> & { changedAt: Date | undefined }>
}

/** The parts of the server that the figures come from. */
export interface FigureSources {
  stats(): Totals
  streams: { readonly open: ReadonlySet<Stream> }
  views: Views
  log: Log
}

/** Keys the digests, so that nobody can find an identity by hashing guesses. */
const KEY = randomBytes(32)

/** The digests of identities, since each is shown once a second. */
const digests = new WeakMap<Admission, string>()

/** Collects the figures of a server. `find` selects connections: see {@link matches}. */
export function figuresOf({ stats, streams, views, log }: FigureSources, find = ''): Figures {
  const { roots, sources, ...totals } = stats()
  // Sorts by the unsent bytes, the newest first. Describes the listed connections alone, since there may be
  // thousands.
  const waiting = [...streams.open]
    .map((stream) => ({ stream, buffered: stream.connection.buffered }))
    .reverse()
    .sort((a, b) => b.buffered - a.buffered)
  const found = find === '' ? waiting : waiting.filter(({ stream }) => matches(streamFigures(stream), find))
  const shown = views.open.sort((a, b) => b.viewers.size - a.viewers.size).slice(0, MAX_LISTED)
  return {
    connections: totals.connections,
    views: totals.views,
    changes: log.head,
    buffered: totals.buffered,
    log: {
      ...totals.replay,
      maxBytes: log.replay.bytes,
      maxAge: log.replay.ms,
    },
    sources: Object.entries(sources).map(([name, { changedAt, ...source }]) => ({
      ...{ name, ...source, changedAt: changedAt?.toISOString() },
    })),
    roots: Object.entries(roots).map(([root, figures]) => ({ root, ...figures })),
    shown: shown.map(({ key, root, viewers, size }) => ({
      view: digest(key),
      ...{ root, viewers: viewers.size, documents: size },
    })),
    streams: found.slice(0, MAX_LISTED).map(({ stream }) => streamFigures(stream)),
    found: found.length,
  }
}

function streamFigures({ connection, admission }: Stream): StreamFigures {
  return { ...connection.figures, session: admission?.session, identity: admission && digestOf(admission) }
}

/** Matches a connection by its number, or by the beginning of its session, its identity or a root. */
function matches({ stream, session, identity, roots }: StreamFigures, find: string): boolean {
  return String(stream) === find || [session, identity, ...roots].some((text) => text?.startsWith(find))
}

function digestOf(admission: Admission): string {
  const known = digests.get(admission)
  if (known !== undefined) return known
  const made = digest(canonical(admission.identity))
  digests.set(admission, made)
  return made
}

function digest(text: string): string {
  return createHmac('sha256', KEY).update(text).digest('base64url').slice(0, 10)
}
