import { expect } from 'chai'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import fc from 'fast-check'
import { ParticleError } from '../../lib/errors.ts'
import { decode } from '../../lib/protocol/decode.ts'
import { encode } from '../../lib/protocol/encode.ts'
import { example, examples } from './examples.ts'

describe('encode', () => {
  it('writes the id, the name and the data on a line each, and an empty line', () => {
    const data = { timestamp: '2024-01-02T03:04:05.678Z' }
    expect(encode({ event: 'ping', data, id: 'abc:1' })).to.equal(
      'id: abc:1\nevent: ping\ndata: {"timestamp":"2024-01-02T03:04:05.678Z"}\n\n',
    )
  })

  it('writes no id line where there is no id', () => {
    expect(encode({ event: 'revoked', data: { reason: 'left' } })).to.equal(
      'event: revoked\ndata: {"reason":"left"}\n\n',
    )
  })

  it('writes an empty id line for an empty id', () => {
    expect(encode({ event: 'reset', data: { root: 'a', reason: 'b' }, id: '' })).to.equal(
      'id:\nevent: reset\ndata: {"root":"a","reason":"b"}\n\n',
    )
  })

  it('writes a delta as a list: the root, the operations, and what few deltas have', () => {
    const oplist = [
      { operation: 'set', id: 1, path: 'tags.0', data: 'new', keys: ['tags', 0] },
      { operation: 'inc', id: 'x', path: 'n' },
      { operation: 'set', id: 2, path: '.', data: { _id: 2 }, at: 0 },
      { operation: 'noop', id: 1, path: '.', at: 3 },
    ]
    const written = (data: object) => /^data: (.*)$/m.exec(encode({ event: 'delta', data }))?.[1]
    expect(written({ root: 'users', oplist })).to.equal(
      '["users",["set",1,"tags.0","new"],["inc","x","n"],["set",2,".",{"_id":2},0],["noop",1,".",null,3]]',
    )
    expect(written({ root: 'users', oplist: [] })).to.equal('["users"]')
    expect(written({ root: 'users', oplist: [], more: true })).to.equal('["users",{"more":true}]')
    expect(written({ root: 'users', timestamp: 't', oplist: [] })).to.equal('["users",{"timestamp":"t"}]')
  })

  it('keeps line breaks of the data within its line', () => {
    const frame = encode({ event: 'error', data: { code: 'X', message: 'a\nb\r\nc\u2028d' } })
    expect(frame.split(/\r|\n/)).to.have.length(4)
  })

  for (const id of ['a\nb', 'a\rb', 'a\0b']) {
    it(`refuses the id ${JSON.stringify(id)}`, () => {
      expect(() => encode({ event: 'ping', data: {}, id }))
        .to.throw(ParticleError)
        .with.property('code', 'INVALID_MESSAGE')
    })
  }

  it('refuses a name that would break the frame, and data that is no JSON', () => {
    for (const event of ['', 'a\nb', 'a\r']) expect(() => encode({ event, data: {} })).to.throw(ParticleError)
    expect(() => encode({ event: 'ping', data: undefined })).to.throw(ParticleError)
    const circle: { self?: unknown } = {}
    circle.self = circle
    let deep: unknown = null
    for (let level = 0; level < 100_000; level++) deep = [deep]
    expect(() => encode({ event: 'ping', data: circle })).to.throw(ParticleError, 'has no JSON form')
    expect(() => encode({ event: 'ping', data: deep })).to.throw(ParticleError, 'is nested too deep')
  })

  it('is read by a real parser, however the bytes are cut, and decodes to what was encoded', () => {
    const id = fc.option(fc.stringMatching(/^[\w:.|-]{0,20}$/), { nil: undefined })
    const events = fc.array(fc.tuple(example, id), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 50 }), (sent, step) => {
        const received: EventSourceMessage[] = []
        const parser = createParser({ onEvent: (message) => received.push(message) })
        const text = sent
          .map(([event, own]) => encode(own === undefined ? event : { ...event, id: own }))
          .join('')
        for (let at = 0; at < text.length; at += step) parser.feed(text.slice(at, at + step))
        const decoded = received.map(({ event, data, id: own }) => decode(event ?? '', data, own))
        expect(decoded).to.deep.equal(
          sent.map(([event, own]) => (own === undefined ? event : { ...event, id: own })),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('has an example of every event', () => {
    expect(examples.map(({ event }) => event)).to.include.members(['manifest', 'payload', 'delta'])
  })
})
