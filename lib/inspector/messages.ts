/** Describes the figures that the inspector's page gets each second. Durations are in milliseconds. */
export interface Figures {
  connections: number
  views: number
  /** The number of changes since the server's start. */
  changes: number
  /** The unsent bytes of all connections. */
  buffered: number
  /** The changes that are kept for clients that reconnect, their limits, and the age of the oldest. */
  log: { changes: number; bytes: number; maxBytes: number; age: number; maxAge: number }
  sources: SourceFigures[]
  roots: { root: string; views: number; connections: number; loading: number; documents: number }[]
  /** The views with the most viewers. */
  shown: { view: string; root: string; viewers: number; documents: number }[]
  /** The connections with the most unsent bytes. */
  streams: StreamFigures[]
  /** The number of connections that match the search. */
  found: number
}

/** Describes a source. `lag` is undefined before the first change. */
export interface SourceFigures {
  name: string
  state: string
  views: number
  changedAt?: string | undefined
  lag?: number | undefined
  role?: string | undefined
}

/** Describes one connection. `identity` is a digest, which is equal for equal identities of this process. */
export interface StreamFigures {
  stream: number
  session?: string | undefined
  identity?: string | undefined
  roots: string[]
  state: 'ready' | 'loading' | 'slow'
  buffered: number
  age: number
}

/** Describes an event that a connection has sent. */
export interface TailRecord {
  event: string
  bytes: number
  words: string[]
  /** The event's data as JSON, which may be cut. Left out where it holds a token or a position. */
  data?: string
}

/** Describes the events of the inspector's stream. `time` is ISO 8601. */
export interface InspectorEvents {
  figures: Figures
  tail: TailRecord & { time: string }
  step: { time: string; name: string; message: string }
  /** Events were left out, because the page reads too slowly. */
  skipped: { events: number }
}
