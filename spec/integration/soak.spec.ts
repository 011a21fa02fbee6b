import { expect } from 'chai'
import { type MongoServer, mongoOrSkip, startMongo } from '../support/mongod.ts'
import { type Account, Load } from '../support/soak/load.ts'

const SECONDS = 60

describe(`A server that is used for ${SECONDS} seconds`, function () {
  this.timeout((SECONDS + 120) * 1000)
  let mongo: MongoServer

  before(async function () {
    mongo = await mongoOrSkip(this, () => startMongo({ history: 6000 }))
  })

  after(() => mongo?.stop())

  it('holds on to nothing when the last client has left', async () => {
    const { before, during, after, visitors } = await Load.soak(mongo.url, SECONDS)
    const megabytes = ({ heap, buffers }: Account) =>
      `${(heap / 1e6).toFixed(1)} + ${(buffers / 1e6).toFixed(1)} MB`
    console.log(
      `      heap + buffers before ${megabytes(before)}, during ${megabytes(during)}, after ${megabytes(after)}; ${JSON.stringify(visitors)}`,
    )

    // What there was to hold on to.
    expect(visitors.clients).to.be.greaterThan(300)
    expect(visitors.ready).to.be.greaterThan(200)
    expect(visitors.refused).to.be.greaterThan(0)
    expect(visitors.written).to.be.greaterThan(500)
    expect(during.stats.connections).to.be.greaterThan(10)
    expect(during.cursors).to.be.greaterThan(0)
    expect(during.tickers).to.be.greaterThan(0)
    expect(during.stats.replay.changes).to.be.greaterThan(0)
    expect(during.resources.Timeout).to.be.greaterThan(after.resources.Timeout ?? 0)
    expect(during.resources.TCPSocketWrap).to.be.greaterThan((after.resources.TCPSocketWrap ?? 0) + 10)

    expect(after.errors).to.deep.equal([])
    expect(after.cursors).to.equal(0)
    expect(after.tickers).to.equal(0)
    expect(after.stats).to.deep.equal({ connections: 0, views: 0, replay: { changes: 0, bytes: 0 } })
    expect(after.resources).to.deep.equal(before.resources)
    expect(after.listeners).to.deep.equal(before.listeners)
    expect(after.heap).to.be.at.most(before.heap * 1.1)
    expect(after.buffers).to.be.at.most(before.buffers * 1.1)
  })
})
