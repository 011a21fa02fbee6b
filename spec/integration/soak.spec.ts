import { expect } from 'chai'
import { type MongoServer, mongoOrSkip, startMongo } from '../support/mongod.ts'
import { type Account, Load } from '../support/soak/load.ts'
import { leaks } from '../support/soak/verdict.ts'

const SECONDS = 20

describe(`A server that is used for ${SECONDS} seconds`, function () {
  this.timeout((SECONDS + 300) * 1000)
  let mongo: MongoServer

  before(async function () {
    mongo = await mongoOrSkip(this, () => startMongo({ history: 6000 }))
  })

  after(() => mongo?.stop())

  it('holds on to nothing when the last client has left', async () => {
    const soaked = await Load.soak(mongo.url, SECONDS, ({ clients, ready, refused }) => {
      return clients > 300 && ready > 200 && refused > 0
    })
    const { before, during, after, visitors } = soaked
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
    expect(during.stats.connections).to.be.greaterThan(0)
    expect(during.cursors).to.be.greaterThan(0)
    expect(during.tickers).to.be.greaterThan(0)
    expect(during.stats.replay.changes).to.be.greaterThan(0)
    expect(during.resources.Timeout).to.be.greaterThan(after.resources.Timeout ?? 0)
    expect(during.resources.TCPSocketWrap).to.be.greaterThan(after.resources.TCPSocketWrap ?? 0)

    expect(leaks(soaked)).to.deep.equal([])
  })
})
