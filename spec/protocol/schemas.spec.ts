import { Ajv } from 'ajv'
import { expect } from 'chai'
import { shortDelta } from '../../lib/protocol/delta.ts'
import { EVENTS, type ServerEvent } from '../../lib/protocol/messages.ts'
import {
  errorAnswerSchema,
  eventSchemas,
  handshakeAnswerSchema,
  handshakeRequestSchema,
  type Schema,
} from '../../lib/protocol/schemas.ts'
import { examples } from './examples.ts'

const ajv = new Ajv({ strict: true, strictRequired: false, strictTuples: false })
const valid = (schema: Schema, data: unknown) => ajv.compile(schema)(data) === true
const timestamp = '2024-01-02T03:04:05Z'
/** The data as it is on the wire. */
const wireOf = ({ event, data }: ServerEvent) => (event === 'delta' ? shortDelta(data) : data)

describe('the schemas', () => {
  it('are there for every event, and every event has an example', () => {
    expect(Object.keys(eventSchemas)).to.have.members([...EVENTS])
    expect(new Set(examples.map(({ event }) => event))).to.deep.equal(new Set(EVENTS))
  })

  for (const example of examples) {
    const { event } = example
    const data = wireOf(example)
    const title = JSON.stringify(data).slice(0, 60)

    it(`accept ${event}: ${title}`, () => {
      expect(valid(eventSchemas[event], data)).to.equal(true)
      const later = Array.isArray(data) ? [...data, { later: 1 }] : { ...data, later: 1 }
      expect(valid(eventSchemas[event], later), 'with a field of a later version').to.equal(true)
    })

    it(`refuse ${event} without a field that it needs: ${title}`, () => {
      const required = (eventSchemas[event].required ?? []) as string[]
      for (const name of required) {
        expect(valid(eventSchemas[event], { ...data, [name]: undefined }), name).to.equal(false)
      }
      for (const none of [null, [], 'text']) expect(valid(eventSchemas[event], none)).to.equal(false)
    })
  }

  const bad: [keyof typeof eventSchemas, unknown][] = [
    ['manifest', { protocol: 1, timestamp, resumed: false, sources: {} }],
    ['manifest', { protocol: 2, timestamp, resumed: false, sources: { a: { b: false } } }],
    ['manifest', { protocol: 2, timestamp, resumed: false, sources: { constructor: true } }],
    ['payload', { root: 'a', timestamp, data: [{}], part: 0, last: true }],
    ['payload', { root: 'a', timestamp, data: [], part: -1, last: true }],
    ['delta', { root: 'a', timestamp, oplist: [] }],
    ['delta', ['']],
    ['delta', ['a', ['set', 1]]],
    ['delta', ['a', ['eval', 1, '.']]],
    ['delta', ['a', ['set', 1, '', 1]]],
    ['delta', ['a', ['noop', 1, '.', null, -1]]],
    ['delta', ['a', ['noop', 1, '.', null, '1']]],
    ['delta', ['a', { timestamp: 'yesterday' }]],
    ['delta', ['a', 'more']],
    ['ping', { timestamp: 'yesterday' }],
    ['ping', { timestamp: 1704164645678 }],
    ['reset', { root: '', reason: 'x' }],
  ]
  for (const [event, data] of bad) {
    it(`refuse ${event}: ${JSON.stringify(data)}`, () =>
      expect(valid(eventSchemas[event], data)).to.equal(false))
  }

  it('tell a handshake from what is none', () => {
    expect(valid(handshakeRequestSchema, { identity: { user: 1 } })).to.equal(true)
    expect(valid(handshakeRequestSchema, { identity: null, previous: 'token' })).to.equal(true)
    expect(valid(handshakeRequestSchema, {})).to.equal(false)
    expect(valid(handshakeRequestSchema, { identity: 1, previous: 5 })).to.equal(false)
  })

  it('tell the answer to a handshake from what is none', () => {
    const answer = {
      token: 't',
      session: 's',
      stream: '/particle/stream?token=t',
      expiresAt: timestamp,
      protocol: 2,
      heartbeat: 15_000,
    }
    expect(valid(handshakeAnswerSchema, answer)).to.equal(true)
    expect(valid(handshakeAnswerSchema, { ...answer, heartbeat: 0 })).to.equal(false)
    expect(valid(handshakeAnswerSchema, { ...answer, token: undefined })).to.equal(false)
    expect(valid(errorAnswerSchema, { error: { code: 'UNAUTHORIZED', message: 'No.' } })).to.equal(true)
    expect(valid(errorAnswerSchema, { error: 'No.' })).to.equal(false)
  })
})
