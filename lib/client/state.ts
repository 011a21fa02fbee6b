/**
 * How a client stands.
 *
 * - `connecting`: the handshake is under way, or the stream is being opened, for the first time.
 * - `waiting`: the stream is open, the model is not complete yet.
 * - `ready`: the model is complete and kept current.
 * - `reconnecting`: the connection was lost and is being re-established; the old data stays visible.
 * - `refused`: the server does not want this identity (any more), or this client; it does not come back by itself.
 * - `closed`: `close()` was called.
 */
export type Status = 'connecting' | 'waiting' | 'ready' | 'reconnecting' | 'refused' | 'closed'

/** Where the machine is, in finer steps than {@link Status} tells. */
export type Phase =
  | 'idle'
  | 'handshaking'
  | 'opening'
  | 'waiting'
  | 'ready'
  | 'delaying'
  | 'refused'
  | 'closed'

/** What a machine holds; immutable. */
export interface State {
  readonly phase: Phase
  /** Whether a stream was ever open. */
  readonly opened: boolean
  /** Whether the token in hand is worth another try. */
  readonly token: boolean
  /** Failed tries since the model was last complete. */
  readonly attempt: number
  /** Streams that had to be given up since their events made no sense; never forgiven, so that a poisonous event is no tight loop. */
  readonly faults: number
}

/**
 * What can happen.
 *
 * - `start`: the client was constructed.
 * - `answered`, `failed`, `denied`: the handshake succeeded, failed for now, or was refused for good.
 * - `opened`, `lost`: the stream; `denied` as well, when the server takes the rights away.
 * - `broken`: an event can't be applied.
 * - `complete`, `incomplete`: the model.
 * - `retry`: the delay is over (or the browser came online); `expired` tells that the token's time is up.
 * - `close`: the user had enough.
 */
export type Happening =
  | {
      type:
        | 'start'
        | 'answered'
        | 'failed'
        | 'denied'
        | 'opened'
        | 'lost'
        | 'broken'
        | 'complete'
        | 'incomplete'
        | 'close'
    }
  | { type: 'retry'; expired: boolean }

export const INITIAL: State = { phase: 'idle', opened: false, token: false, attempt: 0, faults: 0 }

/** What ends a stream, or the client. */
const ENDS = { lost: 'delaying', broken: 'delaying', denied: 'refused', close: 'closed' } as const

/** Where each happening leads; what is not in the table does nothing in that phase. */
const TABLE: Record<Phase, Partial<Record<Happening['type'], Phase>>> = {
  idle: { start: 'handshaking', close: 'closed' },
  handshaking: { answered: 'opening', failed: 'delaying', denied: 'refused', close: 'closed' },
  opening: { ...ENDS, opened: 'waiting' },
  waiting: { ...ENDS, complete: 'ready' },
  ready: { ...ENDS, incomplete: 'waiting' },
  delaying: { retry: 'opening', close: 'closed' },
  refused: { close: 'closed' },
  closed: {},
}

/**
 * The next state: the same object where nothing changes, else one whose phase tells what is to be done now: present the identity
 * (`handshaking`), open the stream, take events in (`waiting`, `ready`), wait with a delay by `attempt`, or give up. Does nothing by itself.
 */
export function next(state: State, happening: Happening): State {
  const { type } = happening
  let phase = TABLE[state.phase][type]
  if (!phase) return state
  let { opened, token, attempt, faults } = state
  if (type === 'answered') token = true
  // A stream that can't be opened may well be a token that is not valid any more: an EventSource does not tell.
  if (state.phase === 'opening' && type === 'lost') token = false
  if (type === 'retry' && (happening.expired || !token)) phase = 'handshaking'
  if (type === 'opened') opened = true
  if (type === 'complete') attempt = 0
  if (type === 'broken') attempt = Math.max(attempt, faults++)
  if (phase === 'delaying') attempt++
  return { phase, opened, token, attempt, faults }
}

/** What the user sees of a state. */
export function statusOf({ phase, opened }: State): Status {
  if (phase === 'waiting' || phase === 'ready' || phase === 'refused' || phase === 'closed') return phase
  return opened ? 'reconnecting' : 'connecting'
}
