import { expect } from 'chai'
import { ReceiverSink } from '../../../lib/server/delivery/sink.ts'

describe('server/sink', () => {
  describe('ReceiverSink', () => {
    it('hands each event on at once, and nothing ever waits', async () => {
      const events: unknown[] = []
      const sink = new ReceiverSink(
        (...event) => events.push(event),
        (error) => {
          throw error
        },
      )
      expect(sink.write(Buffer.from('event: payload\ndata: {"text":"ä"}\n\n'))).to.equal(true)
      expect(events).to.deep.equal([['payload', { text: 'ä' }, undefined]])
      expect(sink.buffered()).to.equal(0)
      await new Promise<void>((resolve) => sink.onDrain(resolve))
      sink.end()
    })
  })
})
