import { expect } from 'chai'
import { ReceiverSink } from '../../../lib/server/delivery/sink.ts'

describe('server/sink', () => {
  describe('ReceiverSink', () => {
    it('hands the text on at once, and nothing ever waits', async () => {
      const texts: string[] = []
      const sink = new ReceiverSink((text) => texts.push(text))
      expect(sink.write(Buffer.from('ä'))).to.equal(true)
      expect(texts).to.deep.equal(['ä'])
      expect(sink.buffered()).to.equal(0)
      await new Promise<void>((resolve) => sink.onDrain(resolve))
      sink.end()
    })
  })
})
