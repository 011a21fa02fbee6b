import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import type { MongoClient } from 'mongodb'
import { type MongoServer, mongoOrSkip, startMongo } from '../support/mongod.ts'
import { CursorCount } from '../support/soak/cursors.ts'
import { type Account, Load } from '../support/soak/load.ts'
import { leaks } from '../support/soak/verdict.ts'

const SECONDS = 14

describe(`A server that is used for ${SECONDS} seconds`, function () {
  this.timeout((SECONDS + 300) * 1000)
  let mongo: MongoServer

  before(async function () {
    mongo = await mongoOrSkip(this, () => startMongo({ history: 6000 }))
  })

  after(() => mongo?.stop())

  it('holds on to nothing when the last client has left', async () => {
    const soaked = await Load.soak(mongo.url, SECONDS, ({ clients, ready, refused }) => {
      return clients > 200 && ready > 130 && refused > 0
    })
    const { before, during, after, visitors } = soaked
    const megabytes = ({ heap, buffers }: Account) =>
      `${(heap / 1e6).toFixed(1)} + ${(buffers / 1e6).toFixed(1)} MB`
    console.log(
      `      heap + buffers before ${megabytes(before)}, during ${megabytes(during)}, after ${megabytes(after)}; ${JSON.stringify(visitors)}`,
    )

    // What there was to hold on to.
    expect(visitors.clients).to.be.greaterThan(200)
    expect(visitors.ready).to.be.greaterThan(130)
    expect(visitors.refused).to.be.greaterThan(0)
    expect(visitors.written).to.be.greaterThan(300)
    expect(during.stats.connections).to.be.greaterThan(0)
    expect(during.cursors).to.be.greaterThan(0)
    expect(during.tickers).to.be.greaterThan(0)
    expect(during.stats.replay.changes).to.be.greaterThan(0)
    expect(during.resources.Timeout).to.be.greaterThan(after.resources.Timeout ?? 0)
    expect(during.resources.TCPSocketWrap).to.be.greaterThan(after.resources.TCPSocketWrap ?? 0)

    expect(leaks(soaked)).to.deep.equal([])
  })
})

describe('The count of cursors', () => {
  it('leaves out a cursor that was killed before the answer to its last request came', () => {
    const client = new EventEmitter()
    const count = new CursorCount(client as unknown as MongoClient)
    const answer = (requestId: number, reply: object) => client.emit('commandSucceeded', { requestId, reply })
    answer(1, { cursor: { id: 7n } })
    expect(count.open).to.equal(1)
    client.emit('commandStarted', { commandName: 'getMore', requestId: 2, command: { getMore: 7n } })
    answer(3, { cursorsKilled: [7n] })
    answer(2, { cursor: { id: 7n } })
    expect(count.open).to.equal(0)
  })
})
