import { type Channel, channel } from 'node:diagnostics_channel'
import { guarded } from './failure.ts'

/**
 * What each event of `onDebug` carries beside its name. Durations (`ms`, `within`) are in milliseconds.
 * No event holds an identity, a token, a document or a value of a query.
 *
 * `stream` counts the streams of the process; `session` is the id that the handshake answers, and is left out
 * where no token is needed. `source` names an adapter, as `server.stats()` does.
 */
export interface DebugFields {
  /** A client presented itself. `continued`: it named its last token; `live`: it has a stream open here. */
  handshake: { session: string; continued: boolean; live: boolean; ms: number }
  /** A handshake was answered by an error. */
  'handshake.refused': { status: number; code: string }
  /** A stream was opened. `presented`: the client named the position that it holds. */
  'stream.open': StreamFields & { roots: string[]; presented: boolean }
  /** A request for a stream was answered by an error. */
  'stream.refused': { status: number; code: string }
  /** It was decided which roots go on from the client's position, and why the others don't. */
  'stream.resume': StreamFields & { resumed: string[]; reason?: string | undefined }
  /** The client has been sent all there is. `ms`: since the stream opened, or a root was last replaced. */
  'stream.ready': StreamFields & { ms: number }
  /** A root is sent anew as a whole. */
  'stream.reset': StreamFields & { root: string; reason: string }
  /** A root is brought up to date by the difference alone. */
  'stream.diff': StreamFields & { root: string; reason: string }
  /** The client reads more slowly than data comes: what waits for it is dropped. */
  'stream.slow': StreamFields & { bytes: number }
  /** The client was asked for a handshake beside its stream. */
  'stream.renew': StreamFields & { reason: string; within: number }
  /** A stream has ended. `ms`: how long it was open. */
  'stream.close': StreamFields & { reason: string; ms: number }
  /** A source is followed. `continued`: nothing was missed since it was followed before. */
  'source.open': { source: string; continued: boolean; ms: number }
  /** Nobody looks at a source any more: it is followed no longer. */
  'source.close': { source: string }
  /**
   * A source no longer has changes that were not read yet: all views of it are compared with what is there.
   */
  'source.lost': { source: string; reason: string; views: number }
  /**
   * A source can't be reached. `step`: `past`, `open` or `follow`. `onError` gets the error of the last two.
   */
  'source.failed': { source: string; step: string; views: number }
  /** A source that had failed reports changes again. */
  'source.recovered': { source: string; ms: number }
  /** A view was read from its source. */
  'view.read': { root: string; documents: number; bytes: number; ms: number }
  /** Something was perhaps not meant; the sentence says what. Each topic comes once. */
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

/** Takes each event, after a sentence that says the same. */
export type OnDebug = (message: string, event: DebugEvent) => void

const SENTENCES: { [N in DebugName]: (fields: DebugFields[N]) => string } = {
  handshake: ({ session, continued, live, ms }) =>
    `Handshake of session ${session}${continued ? ', which goes on' : ''}${live ? ' with its stream' : ''} (${ms} ms)`,
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
  'source.recovered': ({ source, ms }) => `Source ${source} recovered after ${ms} ms`,
  'view.read': ({ root, documents, bytes, ms }) =>
    `View of ${root} read: ${documents} documents, ${bytes} bytes, ${ms} ms`,
  hint: ({ topic }) => topic,
}

/** The names of all events. */
export const DEBUG_NAMES = Object.keys(SENTENCES) as DebugName[]

/** Made once: to look a channel up by its name at each event costs more than the event. */
const CHANNELS = Object.fromEntries(DEBUG_NAMES.map((name) => [name, channel(`particle:${name}`)])) as Record<
  DebugName,
  Channel
>

/** Reports what a server does, to its `onDebug` and to the process's diagnostics channels. */
export class Diagnostics {
  readonly #onDebug: OnDebug | undefined

  constructor(onDebug?: OnDebug) {
    if (onDebug) this.#onDebug = guarded(onDebug)
  }

  /** Reports an event, if anybody listens. The sentence is made of the fields unless one is given. */
  report<N extends DebugName>(name: N, fields: DebugFields[N], message?: string): void {
    const listeners = CHANNELS[name]
    if (!this.#onDebug && !listeners.hasSubscribers) return
    const event = { name, ...fields } as DebugEvent
    listeners.publish(event)
    this.#onDebug?.(message ?? SENTENCES[name](fields), event)
  }
}

/** Whole milliseconds since a time of `performance.now()`. */
export function since(began: number): number {
  return Math.round(performance.now() - began)
}

function of({ stream, session }: StreamFields): string {
  return `Stream ${stream}${session === undefined ? '' : ` of session ${session}`}`
}

function listed(roots: readonly string[]): string {
  return roots.length > 0 ? roots.join(', ') : 'nothing'
}
