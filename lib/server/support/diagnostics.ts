import { counted } from '../../model/count.ts'
import { channelsOf, Publisher } from './publisher.ts'
import { type Trace, Traces } from './traces.ts'

/**
 * Describes the fields of each `onDebug` event beside its name. Durations (`ms`, `within`) are in
 * milliseconds. No event contains an identity, a token, a document or a value of a query.
 *
 * `stream` is the number of the stream in this process. `session` is the id from the handshake's answer; left
 * out when the server needs no token. `source` names an adapter, as `server.stats()` does.
 */
export interface DebugFields {
  /**
   * A handshake was answered. `continued`: the client presented its last token. `live`: it has an open stream
   * here.
   */
  handshake: { session: string; continued: boolean; live: boolean; ms: number }
  /** A handshake was refused by an error, after `ms`. */
  'handshake.refused': { status: number; code: string; ms: number }
  /** A stream was opened. `presented`: the client presented a position. */
  'stream.open': StreamFields & { roots: string[]; presented: boolean }
  /** A request for a stream was refused by an error. */
  'stream.refused': { status: number; code: string }
  /** The resume plan of a stream is known: the resumed roots, and the reason why others are not resumed. */
  'stream.resume': StreamFields & { resumed: string[]; reason?: string | undefined }
  /** The client is up to date. `ms`: the time since the stream opened, or since the last reset of a root. */
  'stream.ready': StreamFields & { ms: number }
  /** A root is loaded again as a whole. */
  'stream.reset': StreamFields & { root: string; reason: string }
  /** A root is brought to the present by a catch-up delta. */
  'stream.diff': StreamFields & { root: string; reason: string }
  /** The client reads more slowly than data arrives. The waiting data is dropped. */
  'stream.slow': StreamFields & { bytes: number }
  /** The client was asked for a handshake during its stream. */
  'stream.renew': StreamFields & { reason: string; within: number }
  /** A stream has ended. `ms`: the time that it was open. */
  'stream.close': StreamFields & { reason: string; ms: number }
  /** A source is followed. `continued`: no change was missed since it was last followed. */
  'source.open': { source: string; continued: boolean; ms: number }
  /** A source is no longer followed, because no view uses it. */
  'source.close': { source: string }
  /** A source has lost changes that were not read yet. All of its views are compared with the source. */
  'source.lost': { source: string; reason: string; views: number }
  /**
   * A source can't be reached. `step` is `past`, `open` or `follow`; `onError` gets the errors of the last
   * two.
   */
  'source.failed': { source: string; step: string; views: number }
  /** This process has another role at a source that is read once per host. */
  'source.role': { source: string; role: 'leader' | 'follower' | 'own'; reason: string }
  /** A failed source reports changes again. */
  'source.recovered': { source: string; ms: number }
  /** A view was read from its source. */
  'view.read': { root: string; documents: number; bytes: number; ms: number }
  /** The server has found a possible mistake. Each topic is reported once. */
  hint: { topic: string }
}

interface StreamFields {
  stream: number
  session: string | undefined
}

/** The name of an event. */
export type DebugName = keyof DebugFields

/** An event of `onDebug`, and of the channel `particle:<name>` of `node:diagnostics_channel`. */
export type DebugEvent = { [N in DebugName]: { name: N } & DebugFields[N] }[DebugName]

/** Receives each event with a sentence that states the same. */
export type OnDebug = (message: string, event: DebugEvent) => void

const ROLES: { [R in DebugFields['source.role']['role']]: string } = {
  leader: 'this process reads the changes for its host',
  follower: 'this process gets the changes from the leader',
  own: 'this process reads the changes for itself',
}

const SENTENCES: { [N in DebugName]: (fields: DebugFields[N]) => string } = {
  handshake: ({ session, continued, live, ms }) =>
    [`Handshake of session ${session}`, continued && 'continued', live && 'with its stream', `${ms} ms`]
      .filter(Boolean)
      .join(', '),
  'handshake.refused': ({ status, code }) => `Handshake refused: ${status} ${code}`,
  'stream.open': (fields) =>
    `${of(fields)} opened for ${listed(fields.roots)}${fields.presented ? ', from a position' : ''}`,
  'stream.refused': ({ status, code }) => `Stream refused: ${status} ${code}`,
  'stream.resume': (fields) =>
    `${of(fields)} resumes ${listed(fields.resumed)}${fields.reason ? ` (${fields.reason})` : ''}`,
  'stream.ready': (fields) => `${of(fields)} is ready after ${fields.ms} ms`,
  'stream.reset': (fields) => `${of(fields)} resets ${fields.root} (${fields.reason})`,
  'stream.diff': (fields) => `${of(fields)} gets the difference of ${fields.root} (${fields.reason})`,
  'stream.slow': (fields) => `${of(fields)} reads too slowly: ${fields.bytes} bytes are dropped`,
  'stream.renew': (fields) =>
    `${of(fields)} asks for a handshake within ${fields.within} ms (${fields.reason})`,
  'stream.close': (fields) => `${of(fields)} closed after ${fields.ms} ms (${fields.reason})`,
  'source.open': ({ source, continued, ms }) =>
    `Source ${source} opened in ${ms} ms${continued ? ', nothing missed' : ''}`,
  'source.close': ({ source }) => `Source ${source} closed`,
  'source.lost': ({ source, reason }) => `Source ${source} lost its history (${reason})`,
  'source.failed': ({ source, step }) => `Source ${source} failed (${step})`,
  'source.role': ({ source, role, reason }) => `Source ${source}: ${ROLES[role]}, because ${reason}`,
  'source.recovered': ({ source, ms }) => `Source ${source} recovered after ${ms} ms`,
  'view.read': ({ root, documents, bytes, ms }) =>
    `View of ${root} read: ${counted(documents, 'document')}, ${bytes} bytes, ${ms} ms`,
  hint: ({ topic }) => topic,
}

/** The names of all events. */
export const DEBUG_NAMES = Object.keys(SENTENCES) as DebugName[]

const CHANNELS = channelsOf(DEBUG_NAMES)

/** Reports the events of a server to its `onDebug` and to the process's diagnostics channels. */
export class Diagnostics extends Publisher<DebugFields> {
  /** Reports the steps that are too frequent for `onDebug`. */
  readonly traces = new Traces()

  constructor(onDebug?: OnDebug) {
    super(CHANNELS)
    if (onDebug) this.listen(onDebug)
  }

  /**
   * Calls a listener with each event and its sentence, which is built from the fields if none was reported.
   * Returns a function that ends it.
   */
  listen(onDebug: OnDebug): () => void {
    return this.subscribe((event, message) => onDebug(message ?? sentenceOf(event), event))
  }

  /** Calls listeners with each event and each trace. Returns a function that ends both. */
  observe(onEvent: (event: DebugEvent) => void, onTrace: (trace: Trace) => void): () => void {
    const ends = [this.subscribe(onEvent), this.traces.subscribe(onTrace)]
    return () => {
      for (const end of ends) end()
    }
  }
}

/** Returns the whole milliseconds since a time of `performance.now()`. */
export function since(began: number): number {
  return Math.round(performance.now() - began)
}

function sentenceOf(event: DebugEvent): string {
  return (SENTENCES[event.name] as (fields: DebugEvent) => string)(event)
}

function of({ stream, session }: StreamFields): string {
  return `Stream ${stream}${session === undefined ? '' : ` of session ${session}`}`
}

function listed(roots: readonly string[]): string {
  return roots.length > 0 ? roots.join(', ') : 'nothing'
}
