import { expect } from 'chai'
import { type Happening, INITIAL, next, type Phase, type State, statusOf } from '../../lib/client/state.ts'

type Type = Happening['type']

const PHASES: Phase[] = [
  'idle',
  'handshaking',
  'opening',
  'waiting',
  'ready',
  'delaying',
  'paused',
  'refused',
  'closed',
]
const TYPES: Type[] = [
  'start',
  'answered',
  'failed',
  'denied',
  'opened',
  'lost',
  'dropped',
  'ended',
  'unauthorized',
  'broken',
  'complete',
  'incomplete',
  'retry',
  'reopen',
  'late',
  'pause',
  'resume',
  'close',
]

/** Every cell that does something: all others leave the state alone and ask for nothing. */
const CELLS: Record<Phase, Partial<Record<Type, Phase>>> = {
  idle: { start: 'handshaking', pause: 'paused', close: 'closed' },
  handshaking: {
    answered: 'opening',
    failed: 'delaying',
    denied: 'refused',
    reopen: 'opening',
    pause: 'paused',
    close: 'closed',
  },
  opening: {
    opened: 'waiting',
    lost: 'delaying',
    broken: 'delaying',
    unauthorized: 'handshaking',
    denied: 'refused',
    reopen: 'opening',
    pause: 'paused',
    close: 'closed',
  },
  waiting: {
    complete: 'ready',
    lost: 'delaying',
    dropped: 'delaying',
    ended: 'delaying',
    broken: 'delaying',
    unauthorized: 'handshaking',
    denied: 'refused',
    reopen: 'opening',
    pause: 'paused',
    close: 'closed',
  },
  ready: {
    incomplete: 'waiting',
    lost: 'delaying',
    dropped: 'delaying',
    ended: 'delaying',
    broken: 'delaying',
    unauthorized: 'handshaking',
    denied: 'refused',
    reopen: 'opening',
    pause: 'paused',
    close: 'closed',
  },
  delaying: { retry: 'opening', pause: 'paused', close: 'closed' },
  paused: { resume: 'opening', pause: 'paused', close: 'closed' },
  refused: { close: 'closed' },
  closed: {},
}

function happening(type: Type, expired = false): Happening {
  if (type === 'retry' || type === 'reopen' || type === 'resume') return { type, expired }
  return type === 'pause' ? { type, quiet: false } : { type }
}

/** The state after one happening after another. */
function reach(state: State, ...types: Type[]): State {
  return types.reduce((before, type) => next(before, happening(type)), state)
}

const READY: State = { ...INITIAL, phase: 'ready', opened: true, token: true }

describe('state of a client', () => {
  for (const phase of PHASES) {
    for (const type of TYPES) {
      const to = CELLS[phase][type] ?? phase
      it(`goes from ${phase} by ${type} to ${to}`, () => {
        const state: State = { ...INITIAL, phase, token: true }
        const reached = next(state, happening(type))
        expect(reached.phase).to.equal(to)
        if (!CELLS[phase][type]) expect(reached).to.equal(state)
      })
    }
  }

  it('opens a stream again with the token in hand, but not with one that failed or is expired', () => {
    for (const [phase, type] of [
      ['delaying', 'retry'],
      ['paused', 'resume'],
      ['ready', 'reopen'],
    ] as const) {
      const state: State = { ...READY, phase }
      expect(next(state, happening(type)).phase).to.equal('opening')
      expect(next(state, happening(type, true)).phase).to.equal('handshaking')
    }
    const unopened = next({ ...READY, phase: 'opening' }, { type: 'lost' })
    expect(next(unopened, happening('retry')).phase).to.equal('handshaking')
  })

  it('counts failed tries until the model is complete', () => {
    let state: State = { ...INITIAL, phase: 'handshaking' }
    for (const attempt of [1, 2, 3]) {
      state = next({ ...state, phase: 'handshaking' }, { type: 'failed' })
      expect(state.attempt).to.equal(attempt)
    }
    expect(next({ ...state, phase: 'waiting' }, { type: 'complete' }).attempt).to.equal(0)
  })

  it('counts no failed try for a stream that was good, nor across a pause', () => {
    expect(reach(READY, 'ended').attempt).to.equal(0)
    expect(reach(READY, 'dropped').attempt).to.equal(0)
    expect(reach(READY, 'ended', 'retry', 'lost').attempt).to.equal(1)
    expect(reach(READY, 'lost', 'pause', 'resume').attempt).to.equal(0)
  })

  it('never forgives an event that made no sense, so that it does not come back in a tight loop', () => {
    let state: State = { ...INITIAL, phase: 'ready' }
    for (const attempt of [1, 2, 3]) {
      state = next({ ...state, phase: 'ready', attempt: 0 }, { type: 'broken' })
      expect(state.attempt).to.equal(attempt)
    }
  })

  it('presents itself at once for a token that opens no stream, but only once until the model is complete', () => {
    const first = reach(READY, 'lost', 'retry', 'unauthorized')
    expect(first.phase).to.equal('handshaking')
    const second = reach(first, 'answered', 'unauthorized')
    expect(second).to.include({ phase: 'delaying', attempt: 2 })
    expect(reach(second, 'retry').phase).to.equal('handshaking')
    const complete = reach(first, 'answered', 'opened', 'complete')
    expect(reach(complete, 'lost', 'retry', 'unauthorized').phase).to.equal('handshaking')
  })

  it('is connecting until a stream was open, and reconnecting after', () => {
    for (const phase of ['idle', 'handshaking', 'opening', 'delaying'] as const) {
      expect(statusOf({ ...INITIAL, phase })).to.equal('connecting')
      expect(statusOf({ ...INITIAL, phase, opened: true })).to.equal('reconnecting')
    }
    for (const phase of ['waiting', 'ready', 'paused', 'refused', 'closed'] as const) {
      expect(statusOf({ ...INITIAL, phase, opened: true })).to.equal(phase)
    }
  })

  it('stays ready while a stream that was ended in order, or given up on purpose, is replaced', () => {
    const ways: Type[][] = [
      ['ended', 'retry', 'opened', 'complete'],
      ['reopen', 'opened', 'complete'],
      ['unauthorized', 'answered', 'opened', 'complete'],
      ['ended', 'retry', 'unauthorized', 'answered', 'opened', 'complete'],
    ]
    for (const way of ways) {
      let state = READY
      for (const type of way) {
        state = reach(state, type)
        expect(statusOf(state), `${way} at ${type}`).to.equal('ready')
      }
      expect(state.quiet).to.equal(false)
    }
  })

  it('is seen to reconnect as soon as a replacement fails, takes too long or brings a reset', () => {
    const reopening = reach(READY, 'reopen')
    expect(statusOf(reach(reopening, 'lost'))).to.equal('reconnecting')
    expect(statusOf(reach(reopening, 'late'))).to.equal('reconnecting')
    expect(reach(reopening, 'late').phase).to.equal('opening')
    expect(statusOf(reach(reopening, 'opened', 'late'))).to.equal('waiting')
    expect(statusOf(reach(READY, 'unauthorized', 'failed'))).to.equal('reconnecting')
    expect(statusOf(reach(READY, 'ended', 'retry', 'unauthorized', 'answered', 'unauthorized'))).to.equal(
      'reconnecting',
    )
  })

  it('is seen to reconnect where the stream was lost, or was not ready', () => {
    expect(statusOf(reach(READY, 'lost'))).to.equal('reconnecting')
    expect(statusOf(reach(READY, 'dropped'))).to.equal('reconnecting')
    expect(statusOf(reach({ ...READY, phase: 'waiting' }, 'ended'))).to.equal('reconnecting')
  })

  it('shows a pause of the user, and none of the page', () => {
    const frozen = next(READY, { type: 'pause', quiet: true })
    expect(statusOf(frozen)).to.equal('ready')
    expect(statusOf(reach(frozen, 'resume', 'opened'))).to.equal('ready')
    expect(statusOf(reach(frozen, 'pause'))).to.equal('paused')
    expect(statusOf(reach(READY, 'pause', 'resume'))).to.equal('reconnecting')
    expect(statusOf(next(reach(READY, 'lost'), { type: 'pause', quiet: true }))).to.equal('paused')
  })
})
