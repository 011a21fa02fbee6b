import { isObject } from '../../model/json.ts'
import type { WatchEntry } from '../../protocol/watched-root.ts'
import type { SessionAnswer } from '../transport.ts'

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
  /** The watched roots that the position is given for, with the first event of such a position. */
  held?: readonly WatchEntry[] | undefined
}

/** Describes the token of the shared stream, by which the next leader continues the stream. */
export interface SharedGrant {
  token: string
  /** The end of the token's validity: ISO 8601. */
  expiresAt: string
}

/** Describes a failure in a form that a channel can carry. */
export interface SharedFailure {
  code: string
  message: string
  type?: string | undefined
  own?: boolean | undefined
  wait?: number | undefined
}

/** Asks the leader to pass the stream on to a tab, from the tab's position. */
export interface JoinMessage {
  type: 'join'
  tab: string
  position: string
  /** The watched roots that the position was given for. */
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

/**
 * Carries a part of the events for one tab, over the tab's own channel. They take the place of the number
 * `sequence` in the order of all events.
 */
export interface PartMessage {
  type: 'part'
  leader: string
  sequence: number
  /** The events; left out at the end. */
  events?: readonly SharedEvent[]
  /** Whether the tab begins with this number. */
  first: boolean
}

/** Names the messages between the tabs. */
export type Message =
  | JoinMessage
  | AskMessage
  | PartMessage
  | { type: 'leave'; tab: string }
  | { type: 'ping' }
  | { type: 'lead' | 'pong'; leader: string }
  | { type: 'event'; leader: string; sequence: number; event: SharedEvent }
  /** Gives a number to the events that one tab gets over its own channel. */
  | { type: 'turn'; leader: string; sequence: number; tab: string }
  | { type: 'grant'; leader: string; grant: SharedGrant }
  | {
      type: 'answer'
      leader: string
      tab: string
      number: number
      answer?: SessionAnswer | undefined
      failure?: SharedFailure | undefined
    }
  /** Reports the end of the stream. With `foreign`, each tab must ask the server who it is. */
  | { type: 'down'; leader: string; failure: SharedFailure; foreign: boolean }

/** Returns a message of this library. Returns undefined for a message of another script on the channel. */
export function messageOf(data: unknown): Message | undefined {
  return isObject(data) && data.particle === VERSION && typeof data.type === 'string'
    ? (data as unknown as Message)
    : undefined
}
