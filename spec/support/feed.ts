import { matcher } from '../../lib/policy/criteria.ts'
import { parseManifest } from '../../lib/policy/manifest.ts'
import type { SortLimit } from '../../lib/policy/order.ts'
import { type ConnectionHost, connectionHost as makeHost } from '../../lib/server/delivery/connection-host.ts'
import { StreamTrace } from '../../lib/server/delivery/stream-trace.ts'
import { Feed } from '../../lib/server/feed/feed.ts'
import { type Entry, Log } from '../../lib/server/feed/log.ts'
import { Diagnostics } from '../../lib/server/support/diagnostics.ts'
import { View } from '../../lib/server/view/view.ts'
import type { Adapter, DocumentChange, Query, ReportedChange } from '../../lib/source/source.ts'
import { PLAIN } from './positions.ts'

/** A feed without a server, and what its host has. */
export interface TestFeed {
  feed: Feed
  log: Log
  /** All that the feed and its views report. */
  errors: Error[]
}

/** How a feed differs from the usual one. */
export interface FeedOptions {
  /** How much of its history the log keeps. */
  bytes?: number
  /** The text of a position. Default: its sequence number. */
  point?: (sequence: number) => string
}

/** Makes the feed of a server's only source. */
export function feedOf(adapter: Adapter, { bytes = 1e7, point = String }: FeedOptions = {}): TestFeed {
  const log = new Log({ bytes, ms: 1e6 })
  const errors: Error[] = []
  const onError = (error: unknown) => void errors.push(error as Error)
  const host = { log, adapters: () => [], point: (sequence: number) => point(sequence), onError }
  return { log, errors, feed: new Feed(adapter, { ...host, diagnostics: new Diagnostics() }, 0) }
}

/** What a view shows. Default: all of the collection `users`. */
export interface ViewOptions {
  key?: string
  root?: string
  query?: Query
  manifest?: unknown
  sortLimit?: SortLimit | undefined
}

/** Makes a view of the collection `users`. */
export function viewOf({ feed, log, errors }: TestFeed, options: ViewOptions = {}): View {
  const { key = 'key', root = 'users', query = {}, sortLimit } = options
  const matches = Object.keys(query).length > 0 ? matcher(query) : undefined
  const manifest = parseManifest(options.manifest ?? true, 'manifest')
  const spec = { key, root, manifest, feed, collection: 'users', query, matches, sortLimit }
  return new View(spec, log, (error) => errors.push(error as Error))
}

/** Makes what connections need of a server. */
export function connectionHost(
  log: Log,
  rest: Pick<ConnectionHost, 'maxBufferedBytes' | 'left' | 'onError'>,
): ConnectionHost {
  return makeHost(log, PLAIN, { ...rest, point: () => `id${log.head}` })
}

/** Reports on a stream to nobody; calls back when it has ended. */
export function silentTrace(onClose: () => void = () => {}): StreamTrace {
  return new StreamTrace(new Diagnostics(), undefined, { onClose })
}

/** Makes changes of a collection, as a router or a look-up is asked by them: at position 1, without operations. */
export function changesOf(
  collection: string,
): (kind: DocumentChange['kind'], id: number, more?: Partial<DocumentChange>) => DocumentChange {
  return (kind, id, more = {}) => ({
    kind,
    position: '1',
    timestamp: '',
    collection,
    id,
    operations: [],
    ...more,
  })
}

/** An entry of a log of its own, of no feed. */
export function entryOf(changes: readonly ReportedChange[]): Entry {
  const feed = { adapter: { compare: () => 0 }, floor: 0, floorPosition: undefined }
  const log = new Log({ bytes: Number.POSITIVE_INFINITY, ms: Number.POSITIVE_INFINITY })
  return log.append({ feed, changes, point: String, adapters: [], bytes: 0 }, 0)
}
