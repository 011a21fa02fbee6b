import { expect } from 'chai'
import { type Flushable, Flusher } from '../../../lib/server/delivery/flusher.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('server/flusher', () => {
  const setUp = () => {
    const flusher = new Flusher()
    const order: string[] = []
    const writer = (name: string, then = () => {}): Flushable => ({
      flush: () => {
        order.push(name)
        then()
      },
    })
    return { flusher, order, writer }
  }

  it('has all who gathered something write at the end of the turn, once, in order', async () => {
    const { flusher, order, writer } = setUp()
    flusher.add(writer('a'))
    await Promise.resolve()
    flusher.add(writer('b'))
    expect(order).to.deep.equal([])
    await turn()
    expect(order).to.deep.equal(['a', 'b'])
    await turn()
    expect(order).to.deep.equal(['a', 'b'])
    flusher.add(writer('c'))
    await turn()
    expect(order).to.deep.equal(['a', 'b', 'c'])
  })

  it('has those write in a later turn who gather something while others write', async () => {
    const { flusher, order, writer } = setUp()
    flusher.add(writer('a', () => flusher.add(writer('b'))))
    await turn()
    expect(order).to.deep.equal(['a'])
    await turn()
    expect(order).to.deep.equal(['a', 'b'])
  })

  it('begins each turn with another empty list, so that what was gathered in one is forgotten after it', async () => {
    const { flusher, writer } = setUp()
    const { empty } = flusher
    flusher.add(writer('a'))
    expect(flusher.empty).to.equal(empty)
    await turn()
    expect(flusher.empty).not.to.equal(empty)
    expect(flusher.empty.chunks).to.deep.equal([])
  })
})
