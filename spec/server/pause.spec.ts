import { expect } from 'chai'
import { pause, yieldTurn } from '../../lib/server/pause.ts'

describe('server/pause', () => {
  it('pauses for about as long as it is told', async () => {
    const began = performance.now()
    await pause(5)
    expect(performance.now() - began).to.be.within(4, 1000)
  })

  it('lets others have their turn before it goes on', async () => {
    const order: string[] = []
    setImmediate(() => order.push('other'))
    await yieldTurn()
    order.push('own')
    expect(order).to.deep.equal(['other', 'own'])
  })

  it('does not go on within the same turn', async () => {
    let passed = false
    const turn = yieldTurn().then(() => {
      passed = true
    })
    for (let i = 0; i < 100; i++) await Promise.resolve()
    expect(passed).to.equal(false)
    await turn
    expect(passed).to.equal(true)
  })
})
