/*
 * Decides the phases of a client:
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
 * `next` replaces a good stream quietly when the stream was ended in order or on purpose. The status stays
 * `ready` until the next stream is complete, unless a step fails, the model must be loaded again, or the
 * replacement takes too long.
 */

/**
 * Names the state of a client's connection.
 *
 * - `connecting`: the client makes its first handshake, or opens its first stream.
 * - `stale`: the client connects, and shows the model of `initial` or `persist` meanwhile.
 * - `waiting`: the stream is open, and the model is not complete yet.
 * - `ready`: the model is complete and current.
 * - `reconnecting`: the connection was lost and is being restored. The old data stays visible.
 * - `paused`: `pause()` was called. The old data stays visible, and `resume()` continues from its position.
 * - `refused`: the server refuses this identity or this client. The client does not connect again.
 * - `closed`: `close()` was called.
 */
export type Status =
  | 'connecting'
  | 'stale'
  | 'waiting'
  | 'ready'
  | 'reconnecting'
  | 'paused'
  | 'refused'
  | 'closed'

/** Names the steps of the state machine, which are finer than {@link Status}. */
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

/** Holds the state of the state machine. A state is immutable. */
export interface State {
  readonly phase: Phase
  /** Whether a stream has been open before. */
  readonly opened: boolean
  /** Whether the current token may still open a stream. */
  readonly token: boolean
  /** Whether a refused token has led to an immediate handshake since the model was last complete. */
  readonly hurried: boolean
  /** Whether a good stream is being replaced while the status stays `ready`. */
  readonly quiet: boolean
  /** Failed tries since the model was last complete. */
  readonly attempt: number
  /**
   * Counts the streams closed because of an invalid event. The count is never reset, so that such events
   * cause no tight loop.
   */
  readonly faults: number
}

/**
 * Names the inputs of the state machine.
 *
 * - `start`: the client was constructed.
 * - `answered`, `failed`, `denied`: the handshake succeeded, failed for now, or was refused for good.
 * - `opened`, `lost`: the stream opened, or ended. `denied` also ends a stream whose rights are revoked.
 * - `dropped`, `ended`: a good stream (complete, and a second old) was lost, or was ended in order.
 * - `unauthorized`: the token opens no stream, or no longer keeps a stream open.
 * - `broken`: an event can't be applied.
 * - `complete`, `incomplete`: the model became complete, or lacks documents.
 * - `retry`: the delay is over, or the browser came online. `expired` says that the token's time is up.
 * - `reopen`: the stream, or the attempt at a stream, must be replaced at once.
 * - `late`: the quiet replacement takes too long to stay quiet. The phase does not change.
 * - `pause`, `resume`: the user or the page wants no connection for now. A `quiet` pause keeps the status.
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

/** Maps the inputs that end a stream, or an attempt at one, to the next phase. */
const ENDS = {
  ...LEAVES,
  lost: 'delaying',
  broken: 'delaying',
  denied: 'refused',
  unauthorized: 'handshaking',
  reopen: 'opening',
} as const

const GOOD_ENDS = { ...ENDS, dropped: 'delaying', ended: 'delaying' } as const

/**
 * Maps each phase and input to the next phase. An input that is not in the table has no effect in that phase.
 */
const TABLE: Record<Phase, Partial<Record<Happening['type'], Phase>>> = {
  idle: { ...LEAVES, start: 'handshaking' },
  handshaking: {
    ...LEAVES,
    answered: 'opening',
    failed: 'delaying',
    denied: 'refused',
    reopen: 'opening',
  },
  opening: { ...ENDS, opened: 'waiting' },
  waiting: { ...GOOD_ENDS, complete: 'ready' },
  ready: { ...GOOD_ENDS, incomplete: 'waiting' },
  delaying: { ...LEAVES, retry: 'opening' },
  paused: { ...LEAVES, resume: 'opening' },
  refused: { close: 'closed' },
  closed: {},
}

/** Lists the inputs that begin a quiet replacement of a ready stream. */
const QUIET: readonly Happening['type'][] = ['ended', 'reopen', 'unauthorized']
/** Lists the inputs that keep a replacement quiet. */
const GOES_WELL: readonly Happening['type'][] = [...QUIET, 'retry', 'resume', 'answered', 'opened']

/**
 * Returns the next state, or the same object where nothing changes. The new phase says what the link does
 * now: make a handshake, open the stream, receive events (`waiting`, `ready`), wait by `attempt`, or stop.
 * `late` asks for no work. The function has no side effects.
 */
export function next(state: State, happening: Happening): State {
  const { type } = happening
  if (type === 'late') return state.quiet && state.phase !== 'paused' ? { ...state, quiet: false } : state
  let phase = TABLE[state.phase][type]
  if (!phase) return state
  let { opened, token, hurried, quiet, attempt, faults } = state
  if (type === 'pause') quiet = happening.quiet && (quiet || state.phase === 'ready')
  else quiet = GOES_WELL.includes(type) && (quiet || (state.phase === 'ready' && QUIET.includes(type)))
  if (type === 'answered') token = true
  // Drops the token, which may be the reason why the stream does not open. An EventSource reports no reason.
  if (type === 'unauthorized' || (state.phase === 'opening' && type === 'lost')) token = false
  if (type === 'unauthorized') {
    // Makes one immediate handshake, which fixes a changed secret. A second one is delayed, to avoid a tight
    // loop.
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
  // Counts failed tries only. The first try after a good stream is not a failure.
  if (phase === 'delaying' && type !== 'ended' && type !== 'dropped') attempt++
  return { phase, opened, token, hurried, quiet, attempt, faults }
}

/** Returns the status that the application sees. */
export function statusOf({ phase, opened, quiet }: State): Status {
  if (quiet) return 'ready'
  if (phase === 'idle' || phase === 'handshaking' || phase === 'opening' || phase === 'delaying')
    return opened ? 'reconnecting' : 'connecting'
  return phase
}
