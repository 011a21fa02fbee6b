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

/** What is to be done next. `delay` and `stop` end whatever connection there is. */
export type Action = 'handshake' | 'open' | 'delay' | 'stop' | 'none'

export const INITIAL: State = { phase: 'idle', opened: false, token: false, attempt: 0, faults: 0 }

type Step = (state: State, happening: Happening) => [Partial<State>, Action]

const lost: Step = (state) => [{ phase: 'delaying', attempt: state.attempt + 1 }, 'delay']
// A stream that can't be opened may well be a token that is not valid any more: an EventSource does not tell.
const unopened: Step = (state) => [{ phase: 'delaying', attempt: state.attempt + 1, token: false }, 'delay']
const broken: Step = (state) => [
  { phase: 'delaying', attempt: Math.max(state.attempt, state.faults) + 1, faults: state.faults + 1 },
  'delay',
]
const refuse: Step = () => [{ phase: 'refused' }, 'stop']
const close: Step = () => [{ phase: 'closed' }, 'stop']

/** What ends a stream, or the client. */
const ENDS = { lost, denied: refuse, broken, close }

/** What is not in the table does nothing in that phase. */
const TABLE: Record<Phase, Partial<Record<Happening['type'], Step>>> = {
  idle: { start: () => [{ phase: 'handshaking' }, 'handshake'], close },
  handshaking: {
    answered: () => [{ phase: 'opening', token: true }, 'open'],
    failed: lost,
    denied: refuse,
    close,
  },
  opening: { ...ENDS, opened: () => [{ phase: 'waiting', opened: true }, 'none'], lost: unopened },
  waiting: { ...ENDS, complete: () => [{ phase: 'ready', attempt: 0 }, 'none'] },
  ready: { ...ENDS, incomplete: () => [{ phase: 'waiting' }, 'none'] },
  delaying: {
    retry: (state, happening) =>
      state.token && happening.type === 'retry' && !happening.expired
        ? [{ phase: 'opening' }, 'open']
        : [{ phase: 'handshaking', token: false }, 'handshake'],
    close,
  },
  refused: { close },
  closed: {},
}

/** The next state and what is to be done. Does nothing by itself. */
export function next(state: State, happening: Happening): [State, Action] {
  const step = TABLE[state.phase][happening.type]
  if (!step) return [state, 'none']
  const [changes, action] = step(state, happening)
  return [{ ...state, ...changes }, action]
}

/** What the user sees of a state. */
export function statusOf({ phase, opened }: State): Status {
  if (phase === 'waiting' || phase === 'ready' || phase === 'refused' || phase === 'closed') return phase
  return opened ? 'reconnecting' : 'connecting'
}
