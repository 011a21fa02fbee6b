import { expect } from 'chai'
import { encode } from '../../../lib/protocol/encode.ts'
import { eventReceiver } from '../../support/receiver.ts'

const collect = () => {
  const events: unknown[][] = []
  const errors: Error[] = []
  const receive = eventReceiver(
    (...event) => events.push(event),
    (error) => errors.push(error),
  )
  return { events, errors, receive }
}

describe('server/receiver', () => {
  it('hands over each event of a write: its name, its data and the position it carries', () => {
    const { events, receive } = collect()
    receive(
      encode({ event: 'ready', data: { timestamp: 't' }, id: 'a:b:c' }) +
        encode({ event: 'reset', data: { root: 'users', reason: 'x' }, id: '' }) +
        encode({ event: 'ping', data: { timestamp: 't' } }),
    )
    expect(events).to.deep.equal([
      ['ready', { timestamp: 't' }, 'a:b:c'],
      ['reset', { root: 'users', reason: 'x' }, ''],
      ['ping', { timestamp: 't' }, undefined],
    ])
  })

  it('keeps data that looks like the frame around it', () => {
    const data = { text: 'a\n\nevent: x\ndata: y\r\n: z', colon: 'a: b:c', space: ' x ' }
    const { events, receive } = collect()
    receive(encode({ event: 'payload', data }))
    expect(events).to.deep.equal([['payload', data, undefined]])
  })

  it('leaves out what is no event', () => {
    const { events, receive } = collect()
    receive('retry: 1000\n\n: a comment\n\n')
    expect(events).to.deep.equal([])
  })

  it("tells onError of a receiver's failure, and goes on with the next event", () => {
    const seen: string[] = []
    const errors: Error[] = []
    const receive = eventReceiver(
      (name) => {
        seen.push(name)
        if (name === 'ready') throw new Error('mine')
        if (name === 'reset') throw 'a text'
      },
      (error) => errors.push(error),
    )
    receive(['ready', 'reset', 'ping'].map((event) => encode({ event, data: {} })).join(''))
    expect(seen).to.deep.equal(['ready', 'reset', 'ping'])
    expect(errors.map(({ message }) => message)).to.deep.equal(['mine', 'a text'])
  })
})
