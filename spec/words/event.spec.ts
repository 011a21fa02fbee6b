import { expect } from 'chai'
import type { OperationName } from '../../lib/model/operation.ts'
import { OPERATIONS } from '../../lib/model/operation.ts'
import { EVENTS, type ServerEvent, type WireOperation } from '../../lib/protocol/messages.ts'
import { describeEvent, MAX_SENTENCES } from '../../lib/words/event.ts'
import { describeOperation } from '../../lib/words/operation.ts'

const TIME = '2026-01-01T00:00:00.000Z'
const delta = (...oplist: WireOperation[]): ServerEvent => ({
  event: 'delta',
  data: { root: 'users', timestamp: TIME, oplist },
})

/** An event of each name. */
const SAMPLES: { [event: string]: [data: object, sentence: string] } = {
  manifest: [
    { protocol: 2, timestamp: TIME, resumed: false, reason: 'history-lost', sources: { users: true } },
    'The stream begins with users (history-lost)',
  ],
  watching: [
    { watch: [], sources: { users: true, 'rooms?{"room":7}': true } },
    'The client watches users, rooms?{"room":7}',
  ],
  payload: [
    { root: 'users', timestamp: TIME, data: [{ _id: 1 }, { _id: 2 }], part: 1, last: true },
    'users has 2 documents (part 2, the last)',
  ],
  delta: [
    { root: 'users', timestamp: TIME, oplist: [{ operation: 'set', id: 'u1', path: 'salary', data: 6000 }] },
    'users "u1": salary changed: 6000',
  ],
  ready: [{ timestamp: TIME }, 'The model is complete'],
  reset: [{ root: 'users', reason: 'slow-client' }, 'users is loaded again (slow-client)'],
  revoked: [{ reason: 'replaced' }, 'The stream ends (replaced)'],
  error: [{ root: 'users', code: 'SOURCE_FAILED', message: 'Try later' }, 'users: SOURCE_FAILED: Try later'],
  session: [{ token: 'secret-token', expiresAt: TIME }, 'The client gets a new token'],
  renew: [{ reason: 'expiring', within: 500 }, 'The client must make a handshake within 500 ms (expiring)'],
  reached: [{ position: 'secret-position' }, 'The model has a write that the client waits for'],
  ping: [{ timestamp: TIME }, 'The server is alive'],
}

describe('The words of an event', () => {
  for (const event of EVENTS) {
    it(`describe ${event}`, () => {
      const [data, sentence] = SAMPLES[event] ?? [{}, '']
      expect(describeEvent({ event, data } as unknown as ServerEvent)).to.deep.equal([sentence])
    })
  }

  const operations: Record<OperationName, [data: WireOperation['data'], words: string]> = {
    set: [{ a: 1 }, 'todos changed: {"a":1}'],
    unset: [undefined, 'todos removed'],
    inc: [-500, 'todos changed: -500'],
    mul: [2, 'todos changed: × 2'],
    min: [2, 'todos changed: at most 2'],
    max: [2, 'todos changed: at least 2'],
    rename: ['tasks', 'todos renamed: tasks'],
    push: [{ $each: ['a', 'b'] }, 'todos gained: "a", "b"'],
    pushAll: [['a', 'b'], 'todos gained: "a", "b"'],
    addToSet: ['a', 'todos gained: "a"'],
    pop: [-1, 'todos lost its first element'],
    pull: ['a', 'todos lost: "a"'],
    pullAll: [['a', 'b'], 'todos lost: "a", "b"'],
    truncate: [3, 'todos shortened: 3 elements'],
    noop: [undefined, 'todos unchanged'],
  }
  for (const operation of OPERATIONS) {
    it(`describe the operation ${operation}`, () => {
      const [data, words] = operations[operation]
      const op = { operation, id: 1, path: 'todos', ...(data !== undefined && { data }) }
      expect(describeOperation(op)).to.equal(words)
    })
  }

  it('describe an increase without data, and the first or last element that is lost', () => {
    expect(describeOperation({ operation: 'inc', id: 1, path: 'visits' })).to.equal('visits changed: +1')
    expect(describeOperation({ operation: 'pop', id: 1, path: 'a' })).to.equal('a lost its last element')
  })

  it('say what happened to a whole document, and to its place', () => {
    expect(
      describeEvent(
        delta(
          { operation: 'set', id: 'u1', path: '.', data: { _id: 'u1' }, at: 0 },
          { operation: 'noop', id: 2, path: '.', at: 4 },
          { operation: 'unset', id: 3, path: '.' },
        ),
      ),
    ).to.deep.equal(['users "u1" is {"_id":"u1"}, at place 1', 'users 2 moved to place 5', 'users 3 removed'])
  })

  it('stay short for a large change, and say how much was left out', () => {
    const op: WireOperation = { operation: 'set', id: 1, path: 'x', data: 'y'.repeat(10_000) }
    const sentences = describeEvent(delta(...Array.from({ length: 1_000 }, () => op)))
    expect(sentences).to.have.length(MAX_SENTENCES + 1)
    expect(sentences.at(-1)).to.equal(`… and ${1_000 - MAX_SENTENCES} more operations`)
    expect(Math.max(...sentences.map(({ length }) => length))).to.be.below(200)
  })

  it('escape what a terminal obeys, in names, ids, paths, values and reasons', () => {
    const hostile = '\u001b]0;owned\u0007\u009b31m\u202e\r\n'
    const events = [
      delta({ operation: 'set', id: hostile, path: `a${hostile}`, data: { [hostile]: hostile } }),
      delta({ operation: 'rename', id: 1, path: 'a', data: hostile }),
      { event: 'reset', data: { root: hostile, reason: hostile } },
      { event: 'error', data: { root: hostile, code: hostile, message: hostile } },
    ] as ServerEvent[]
    for (const sentence of events.flatMap(describeEvent)) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there.
      expect(sentence).to.not.match(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
      expect(sentence).to.include('u001b')
    }
  })
})
