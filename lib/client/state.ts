/*
 * The phases of a client:
 *
 *                      answered           opened            complete
 *    +-------------+ ----------> +---------+ ---> +---------+ ---> +-------+
 *    | handshaking |             | opening |      | waiting |      | ready |
 *    +-------------+ <---------- +---------+      +---------+ <--- +-------+
 *      |         ^   unauthorized     |                |  incomplete   |
 *      | failed  |                    | lost           | lost, ended   | lost, ended
 *      v         |                    v                v               v
 *    +-------------------------------------------------------------------------+
 *    |                                delaying                                 |
 *    +-------------------------------------------------------------------------+
 *      retry leads to opening, or to handshaking where the token is expired or has failed
 *
 *    idle --- start ---> handshaking
 *    opening, waiting, ready --- unauthorized (the first) ---> handshaking
 *    handshaking, opening, waiting, ready --- reopen ---> as retry
 *    all but refused and closed --- pause ---> paused --- resume ---> as retry
 *    handshaking, opening, waiting, ready --- denied ---> refused
 *    all --- close ---> closed
 *
 * A good stream that was ended in order, or is replaced on purpose, is replaced quietly: the status stays
 * `ready` until the next stream is complete, unless a step fails, the model must be loaded anew, or it takes
 * too long.
 */

/**
 * Tells how a client stands.
 *
 * - `connecting`: the handshake is under way, or the stream is being opened, for the first time.
 * - `waiting`: the stream is open, the model is not complete yet.
 * - `ready`: the model is complete and kept current.
 * - `reconnecting`: the connection was lost and is being re-established; the old data stays visible.
 * - `paused`: `pause()` was called; the old data stays visible, and `resume()` continues from it.
 * - `refused`: the server refuses this identity (by now), or this client, which does not come back by itself.
 * - `closed`: `close()` was called.
 */
export type Status = 'connecting' | 'waiting' | 'ready' | 'reconnecting' | 'paused' | 'refused' | 'closed'

/** Names the steps of the machine, which are finer than {@link Status}. */
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

/** Holds the state of a machine; immutable. */
export interface State {
  readonly phase: Phase
  /** Whether a stream was ever open. */
  readonly opened: boolean
  /** Whether the token in hand is worth another try. */
  readonly token: boolean
  /** Whether a refused token has led to an immediate handshake since the model was last complete. */
  readonly hurried: boolean
  /** Whether a good stream is being replaced while the status stays `ready`. */
  readonly quiet: boolean
  /** Failed tries since the model was last complete. */
  readonly attempt: number
  /**
   * Streams that were given up for an invalid event; never reset, so that such an event causes no tight loop.
   */
  readonly faults: number
}

/**
 * Lists what can happen.
 *
 * - `start`: the client was constructed.
 * - `answered`, `failed`, `denied`: the handshake succeeded, failed for now, or was refused for good.
 * - `opened`, `lost`: the stream; `denied` as well, when the server takes the rights away.
 * - `dropped`, `ended`: a stream that was good (complete, and a second old) was lost, or was ended in order.
 * - `unauthorized`: the token opens no stream, or keeps none open any more.
 * - `broken`: an event can't be applied.
 * - `complete`, `incomplete`: the model.
 * - `retry`: the delay is over (or the browser came online); `expired` tells that the token's time is up.
 * - `reopen`: the stream, or the attempt at one, is to be replaced at once.
 * - `late`: the quiet replacement is not quiet any more; changes no phase.
 * - `pause`, `resume`: the user or the page wants no connection for now; `quiet` where the status must not
 *   show it.
 * - `close`: `close()` was called.
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

/** Lists what ends a stream or an attempt at one. */
const ENDS = {
  ...LEAVES,
  lost: 'delaying',
  broken: 'delaying',
  denied: 'refused',
  unauthorized: 'handshaking',
  reopen: 'opening',
} as const

const GOOD_ENDS = { ...ENDS, dropped: 'delaying', ended: 'delaying' } as const

/** Tells where each happening leads; one that is not in the table does nothing in that phase. */
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

/** Lists what begins a quiet replacement of a stream that was ready. */
const QUIET: readonly Happening['type'][] = ['ended', 'reopen', 'unauthorized']
/** Lists the steps of a replacement that goes well. */
const GOES_WELL: readonly Happening['type'][] = [...QUIET, 'retry', 'resume', 'answered', 'opened']

/**
 * Gives the next state: the same object where nothing changes, else one whose phase tells what to do now:
 * make a handshake, open the stream, take events (`waiting`, `ready`), wait for a delay by `attempt`, or give
 * up. `late` asks for nothing. The function itself has no effects.
 */
export function next(state: State, happening: Happening): State {
  const { type } = happening
  let phase = TABLE[state.phase][type]
  if (!phase || (type === 'late' && !state.quiet)) return state
  let { opened, token, hurried, quiet, attempt, faults } = state
  if (type === 'pause') quiet = happening.quiet && (quiet || state.phase === 'ready')
  else quiet = GOES_WELL.includes(type) && (quiet || (state.phase === 'ready' && QUIET.includes(type)))
  if (type === 'answered') token = true
  // The token may be the reason why the stream does not open: an EventSource does not tell.
  if (type === 'unauthorized' || (state.phase === 'opening' && type === 'lost')) token = false
  if (type === 'unauthorized') {
    // An immediate handshake mends a changed secret; where it does not help, it must not become a tight loop.
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
  // The first try after a good stream is not a failed one.
  if (phase === 'delaying' && type !== 'late' && type !== 'ended' && type !== 'dropped') attempt++
  return { phase, opened, token, hurried, quiet, attempt, faults }
}

/** Tells what the user sees of a state. */
export function statusOf({ phase, opened, quiet }: State): Status {
  if (quiet) return 'ready'
  if (phase === 'idle' || phase === 'handshaking' || phase === 'opening' || phase === 'delaying')
    return opened ? 'reconnecting' : 'connecting'
  return phase
}
