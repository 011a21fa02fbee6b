import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import { Cluster } from '../support/cluster/cluster.ts'
import { ordered, teamModels } from '../support/cluster/team.ts'
import { Visitor } from '../support/cluster/visitor.ts'
import { Writer } from '../support/cluster/writer.ts'
import { until } from '../support/local.ts'
import { mongoOrSkip } from '../support/mongod.ts'
import { guideConfiguration, startNginx } from '../support/nginx.ts'
import { freePort } from '../support/process.ts'

const TEAMS = ['t0', 't1']

describe('The nginx configuration of docs/guides/nodes.md', function () {
  this.timeout(400_000)
  let mongo: MongoClient
  let cluster: Cluster
  let nginx: { stop(): Promise<void> } | undefined
  let url: string
  const database = `nginx${process.pid}`
  const visitors: Visitor[] = []

  before(async function () {
    const server = await mongoOrSkip(this)
    mongo = new MongoClient(server.url)
    for (const name of ['tasks', 'notices'])
      await mongo.db(database).createCollection(name, { changeStreamPreAndPostImages: { enabled: true } })
    const secret = randomUUID()
    cluster = await Cluster.start(2, { url: server.url, database, secret, heartbeat: 1000, replay: 30_000 })
    const port = await freePort()
    const configuration = await guideConfiguration(cluster.ports, port)
    const started = await startNginx(configuration, port)
    if ('missing' in started) {
      console.log(`      skipped: ${started.missing}`)
      return this.skip()
    }
    nginx = started
    url = `http://127.0.0.1:${port}/particle`
  })

  after(async () => {
    for (const visitor of visitors) visitor.close()
    await nginx?.stop()
    await cluster?.stop()
    await mongo?.db(database).dropDatabase()
    await mongo?.close()
  })

  it('lets streams through at once, and to the other node when theirs is gone, where they are resumed', async () => {
    const db = mongo.db(database)
    const writer = new Writer(db, TEAMS, 4711)
    await writer.fill()
    for (let index = 0; index < 10; index++) visitors.push(new Visitor(url, { team: TEAMS[index % 2] }))
    const ready = () =>
      until(() => visitors.every(({ status }) => status === 'ready'), 'all are ready', 30_000)
    const current = async () => {
      const truth = await teamModels(db, TEAMS)
      const isRight = ({ client }: Visitor, index: number) =>
        isDeepStrictEqual(ordered(client.data), truth.get(TEAMS[index % 2] ?? ''))
      await until(() => visitors.every(isRight), 'all models are right', 20_000)
    }
    await ready()
    await writer.write()
    await current()

    await cluster.kill(0)
    await until(() => visitors.some(({ status }) => status !== 'ready'), 'some have lost their node', 10_000)
    for (let writes = 0; writes < 5; writes++) await writer.write()
    await ready()
    await current()
    const returns = visitors.flatMap(({ visits }) => visits.slice(1)).filter((visit) => visit.ready)
    expect(returns.length).to.be.within(1, visitors.length - 1)
    for (const { presented, resumed, resets } of returns)
      expect({ presented, resumed, resets }).to.deep.equal({ presented: true, resumed: true, resets: [] })
  })
})
