import type { WatchEntry } from '../../protocol/watched-root.ts'
import type { Failure, SessionAnswer } from '../transport.ts'

/** Versions the messages. Tabs of other versions use other channels and locks. */
export const VERSION = 1

/** Describes an event of the stream, as the leader passes it on. */
export interface SharedEvent {
  name: string
  /** JSON. */
  data: string
  /** The position after the event, or empty. */
  id: string
  /** The root that the event is about. */
  root?: string | undefined
  /** The roots that share an adapter with the root, where the event ends a moment of them. */
  group?: readonly string[] | undefined
  /** The watched roots that the position is given for, where they have changed. */
  held?: readonly WatchEntry[] | undefined
}

/** Describes the token of the shared stream, by which the next leader continues the stream. */
export interface SharedGrant {
  token?: string | undefined
  /** The end of the token's validity: ISO 8601. */
  expiresAt: string
}

/** Describes a failure in a form that a channel can carry. */
export interface SharedFailure extends Omit<Failure, 'error'> {
  error: { code: string; message: string }
}

/** Asks the leader to pass the stream on to a tab, from the tab's position. */
export interface JoinMessage {
  type: 'join'
  tab: string
  position: string
  /** The watched roots that the tab has documents of. */
  held: readonly WatchEntry[]
  /** The watched roots. */
  watch: readonly WatchEntry[]
  /** The positions of writes that the tab waits for. */
  reached: readonly string[]
}

/** Asks the leader for a request about the stream. */
export interface AskMessage {
  type: 'ask'
  tab: string
  number: number
  route: 'watch' | 'reached'
  body: object
}

/** Answers a request. */
export interface AnswerMessage {
  type: 'answer'
  leader: string
  tab: string
  number: number
  answer?: SessionAnswer
  failure?: SharedFailure
}

/**
 * Carries events for one tab, over the tab's own channel. All parts of a number take its place in the order.
 */
export interface PartMessage {
  type: 'part'
  leader: string
  number: number
  /** The next event; left out at the end. */
  event?: SharedEvent
  /** Whether the tab begins with this number. */
  first: boolean
}

/** Names the messages between the tabs. */
export type Message =
  | JoinMessage
  | AskMessage
  | AnswerMessage
  | PartMessage
  | { type: 'leave'; tab: string }
  | { type: 'ping' }
  | { type: 'lead'; leader: string }
  | { type: 'pong'; leader: string; grant: SharedGrant }
  /** Carries an event for all tabs, or names the tab that gets the parts of the number. */
  | { type: 'event'; leader: string; number: number; event: SharedEvent | string }
  /** Reports the end of the stream. With `foreign`, each tab must ask the server who it is. */
  | { type: 'down'; leader: string; failure: SharedFailure; foreign: boolean }
