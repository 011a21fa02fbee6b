/**
 * The states of a client.
 *
 *                    answered            opened             complete
 *   ┌──────────────┐ ───────▶ ┌─────────┐ ─────▶ ┌─────────┐ ───────▶ ┌───────┐
 *   │ handshaking  │          │ opening │        │ waiting │          │ ready │
 *   └──────────────┘ ◀─────── └─────────┘        └─────────┘ ◀─────── └───────┘
 *     ▲   │   ▲    unauthorized  │  ▲ ▲              │       incomplete  │
 *     │   │   │     (at first)   │  │ │              │                   │
 *     │   │   └──────────────────┼──┼─┼── (the same) ◀───── unauthorized ┤
 *     │   │ failed          lost │  │ └────── reopen ◀───────────────────┤
 *     │   ▼                      ▼  │                                    │
 *     │  ┌─────────────────────────────┐     lost, dropped, ended, broken│
 *     │  │          delaying           │ ◀───────────────────────────────┘
 *     │  └─────────────────────────────┘
 *     │     │ retry, without a token that is good; with one: opening
 *     └─────┘
 *
 *   idle ── start ──▶ handshaking
 *   any of these ── pause ──▶ paused ── resume ──▶ opening, or handshaking as after a delay
 *   any of these ── denied ──▶ refused ── close ──▶ closed ◀── close ── any
 *
 * A stream that was good and is replaced on purpose, or was ended in order, is replaced *quietly*: the status goes on
 * as `ready` until the new stream is, unless a step of that fails, takes too long (`late`) or brings a reset (`late`, too).
 */

/**
 * The standing of a client.
 *
 * - `connecting`: the handshake is under way, or the stream is being opened, for the first time.
 * - `waiting`: the stream is open, the model is not complete yet.
 * - `ready`: the model is complete and kept current.
 * - `reconnecting`: the connection was lost and is being re-established; the old data stays visible.
 * - `paused`: `pause()` was called, or the page is frozen; the old data stays visible, and `resume()` goes on from it.
 * - `refused`: the server does not want this identity (any more), or this client; it does not come back by itself.
 * - `closed`: `close()` was called.
 */
export type Status = 'connecting' | 'waiting' | 'ready' | 'reconnecting' | 'paused' | 'refused' | 'closed'

/** Where the machine is, in finer steps than {@link Status} tells. */
export type Phase =
  | 'idle'
  | 'handshaking'
  | 'opening'
  | 'waiting'
  | 'ready'
  | 'delaying'
  | 'paused'
  | 'refused'
  | 'closed'

/** What a machine holds; immutable. */
export interface State {
  readonly phase: Phase
  /** Whether a stream was ever open. */
  readonly opened: boolean
  /** Whether the token in hand is worth another try. */
  readonly token: boolean
  /** Whether a token that opened no stream has led to a handshake at once since the model was last complete. */
  readonly hurried: boolean
  /** Whether a stream that was good is being replaced, and the status stays `ready` meanwhile. */
  readonly quiet: boolean
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
 * - `dropped`, `ended`: a stream that was good (complete, and a second old) was lost, or was ended in order.
 * - `unauthorized`: the token opens no stream, or keeps none open any more.
 * - `broken`: an event can't be applied.
 * - `complete`, `incomplete`: the model.
 * - `retry`: the delay is over (or the browser came online); `expired` tells that the token's time is up.
 * - `reopen`: the stream, or the try to get one, is to be replaced by another at once.
 * - `late`: what is done quietly is to be seen now.
 * - `pause`, `resume`: the user or the page wants no connection for now; `quiet` where nobody is to see that.
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
        | 'dropped'
        | 'ended'
        | 'unauthorized'
        | 'broken'
        | 'complete'
        | 'incomplete'
        | 'late'
        | 'close'
    }
  | { type: 'retry' | 'reopen' | 'resume'; expired: boolean }
  | { type: 'pause'; quiet: boolean }

export const INITIAL: State = {
  phase: 'idle',
  opened: false,
  token: false,
  hurried: false,
  quiet: false,
  attempt: 0,
  faults: 0,
}

const LEAVES = { pause: 'paused', close: 'closed' } as const

/** What ends a stream, or the client. */
const ENDS = {
  ...LEAVES,
  lost: 'delaying',
  broken: 'delaying',
  denied: 'refused',
  unauthorized: 'handshaking',
  reopen: 'opening',
} as const

const GOOD_ENDS = { ...ENDS, dropped: 'delaying', ended: 'delaying' } as const

/** Where each happening leads; what is not in the table does nothing in that phase. */
const TABLE: Record<Phase, Partial<Record<Happening['type'], Phase>>> = {
  idle: { ...LEAVES, start: 'handshaking' },
  handshaking: {
    ...LEAVES,
    answered: 'opening',
    failed: 'delaying',
    denied: 'refused',
    reopen: 'opening',
    late: 'handshaking',
  },
  opening: { ...ENDS, opened: 'waiting', late: 'opening' },
  waiting: { ...GOOD_ENDS, complete: 'ready', late: 'waiting' },
  ready: { ...GOOD_ENDS, incomplete: 'waiting' },
  delaying: { ...LEAVES, retry: 'opening', late: 'delaying' },
  paused: { ...LEAVES, resume: 'opening' },
  refused: { close: 'closed' },
  closed: {},
}

/** What replaces a stream, and is not to be seen where that was ready. */
const QUIET: readonly Happening['type'][] = ['ended', 'reopen', 'unauthorized']
/** What belongs to a replacement that goes well. */
const GOES_WELL: readonly Happening['type'][] = [...QUIET, 'retry', 'resume', 'answered', 'opened']

/**
 * The next state: the same object where nothing changes, else one whose phase tells what is to be done now: present the identity
 * (`handshaking`), open the stream, take events in (`waiting`, `ready`), wait with a delay by `attempt`, or give up. After `late`
 * there is nothing to be done. Does nothing by itself.
 */
export function next(state: State, happening: Happening): State {
  const { type } = happening
  let phase = TABLE[state.phase][type]
  if (!phase || (type === 'late' && !state.quiet)) return state
  let { opened, token, hurried, quiet, attempt, faults } = state
  if (type === 'pause') quiet = happening.quiet && (quiet || state.phase === 'ready')
  else quiet = GOES_WELL.includes(type) && (quiet || (state.phase === 'ready' && QUIET.includes(type)))
  if (type === 'answered') token = true
  // A stream that can't be opened may well be a token that is not valid any more: an EventSource does not tell.
  if (type === 'unauthorized' || (state.phase === 'opening' && type === 'lost')) token = false
  if (type === 'unauthorized') {
    // A handshake at once is what helps after a change of the secret; where it doesn't help, it must not become a tight loop.
    if (hurried) {
      phase = 'delaying'
      quiet = false
    }
    hurried = true
  }
  if ('expired' in happening && (happening.expired || !token)) phase = 'handshaking'
  if (type === 'opened') opened = true
  if (type === 'complete') {
    attempt = 0
    hurried = false
  }
  if (type === 'resume') attempt = 0
  if (type === 'broken') attempt = Math.max(attempt, faults++)
  // The first try after a stream that was good is made at once.
  if (phase === 'delaying' && type !== 'late' && type !== 'ended' && type !== 'dropped') attempt++
  return { phase, opened, token, hurried, quiet, attempt, faults }
}

/** What the user sees of a state. */
export function statusOf({ phase, opened, quiet }: State): Status {
  if (quiet) return 'ready'
  if (phase === 'idle' || phase === 'handshaking' || phase === 'opening' || phase === 'delaying')
    return opened ? 'reconnecting' : 'connecting'
  return phase
}
