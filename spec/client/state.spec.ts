import { expect } from 'chai'
import { type Happening, INITIAL, next, type Phase, type State, statusOf } from '../../lib/client/state.ts'

const PHASES: Phase[] = [
  'idle',
  'handshaking',
  'opening',
  'waiting',
  'ready',
  'delaying',
  'refused',
  'closed',
]
const TYPES = [
  'start',
  'answered',
  'failed',
  'denied',
  'opened',
  'lost',
  'broken',
  'complete',
  'incomplete',
  'retry',
  'close',
] as const

/** Every cell that does something: all others leave the state alone and ask for nothing. */
const CELLS: Record<Phase, Partial<Record<(typeof TYPES)[number], Phase>>> = {
  idle: { start: 'handshaking', close: 'closed' },
  handshaking: {
    answered: 'opening',
    failed: 'delaying',
    denied: 'refused',
    close: 'closed',
  },
  opening: {
    opened: 'waiting',
    lost: 'delaying',
    broken: 'delaying',
    denied: 'refused',
    close: 'closed',
  },
  waiting: {
    complete: 'ready',
    lost: 'delaying',
    broken: 'delaying',
    denied: 'refused',
    close: 'closed',
  },
  ready: {
    incomplete: 'waiting',
    lost: 'delaying',
    broken: 'delaying',
    denied: 'refused',
    close: 'closed',
  },
  delaying: { retry: 'opening', close: 'closed' },
  refused: { close: 'closed' },
  closed: {},
}

const happening = (type: (typeof TYPES)[number], expired = false): Happening =>
  type === 'retry' ? { type, expired } : { type }

describe('state of a client', () => {
  for (const phase of PHASES) {
    for (const type of TYPES) {
      const to = CELLS[phase][type] ?? phase
      it(`goes from ${phase} by ${type} to ${to}`, () => {
        const state: State = { ...INITIAL, phase, token: true }
        const after = next(state, happening(type))
        expect(after.phase).to.equal(to)
        if (!CELLS[phase][type]) expect(after).to.equal(state)
      })
    }
  }

  it('opens a stream again with the token in hand, but not with one that failed or is expired', () => {
    const lost: State = { ...INITIAL, phase: 'delaying', opened: true, token: true }
    expect(next(lost, happening('retry')).phase).to.equal('opening')
    expect(next(lost, happening('retry', true)).phase).to.equal('handshaking')
    const unopened = next({ ...lost, phase: 'opening' }, { type: 'lost' })
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

  it('never forgives an event that made no sense, so that it does not come back in a tight loop', () => {
    let state: State = { ...INITIAL, phase: 'ready' }
    for (const attempt of [1, 2, 3]) {
      state = next({ ...state, phase: 'ready', attempt: 0 }, { type: 'broken' })
      expect(state.attempt).to.equal(attempt)
    }
  })

  it('is connecting until a stream was open, and reconnecting after', () => {
    for (const phase of ['idle', 'handshaking', 'opening', 'delaying'] as const) {
      expect(statusOf({ ...INITIAL, phase })).to.equal('connecting')
      expect(statusOf({ ...INITIAL, phase, opened: true })).to.equal('reconnecting')
    }
    for (const phase of ['waiting', 'ready', 'refused', 'closed'] as const) {
      expect(statusOf({ ...INITIAL, phase, opened: true })).to.equal(phase)
    }
  })
})
