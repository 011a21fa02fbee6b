import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { type Db, MongoClient } from 'mongodb'
import { Cluster } from '../support/cluster/cluster.ts'
import { ordered, teamModels } from '../support/cluster/team.ts'
import { type Visit, Visitor } from '../support/cluster/visitor.ts'
import { Writer } from '../support/cluster/writer.ts'
import { until } from '../support/local.ts'
import { type MongoServer, mongoOrSkip, startMongo } from '../support/mongod.ts'

/** Multiplies clients, writes and kills: `CLUSTER_SCALE=10` looks for what is rare. */
const SCALE = Number(process.env.CLUSTER_SCALE ?? 1)
const CLIENTS = 40 * SCALE
const WRITES = 1_200 * SCALE
const WRITERS = 3
const KILLS = 3 * SCALE
const TEAMS = Array.from({ length: 10 }, (_, index) => `t${index}`)
/** For how long a client may be away, in milliseconds: longer than the longest back-off after one failed try. */
const REPLAY = 20_000
/** Far more than is written in that time. */
const HISTORY = 12_000
/** How long all may take to be ready again on a busy machine, in milliseconds. */
const PATIENCE = 60_000

describe('Two nodes behind a balancer', function () {
  this.timeout(600_000 * SCALE)
  let server: MongoServer
  let mongo: MongoClient
  let db: Db
  let cluster: Cluster
  const visitors: Visitor[] = []

  beforeEach(async function () {
    server = await mongoOrSkip(this, () => startMongo({ history: HISTORY }))
    const { url } = server
    mongo = new MongoClient(url)
    const database = `cluster${process.pid}`
    db = mongo.db(database)
    await db.dropDatabase()
    // By pre-images a node knows what clients held before it ran: which documents have left a team.
    for (const name of ['tasks', 'notices'])
      await db.createCollection(name, { changeStreamPreAndPostImages: { enabled: true } })
    cluster = await Cluster.start(2, {
      url,
      database,
      secret: randomUUID(),
      heartbeat: 5000,
      replay: REPLAY,
    })
  })

  afterEach(async () => {
    for (const visitor of visitors.splice(0)) visitor.close()
    await cluster?.stop()
    await db?.dropDatabase()
    await mongo?.close()
    await server?.stop()
  })

  const teamOf = (visitor: Visitor) => TEAMS[visitors.indexOf(visitor) % TEAMS.length] ?? ''
  const allReady = (what: string) =>
    until(() => visitors.every(({ status }) => status === 'ready'), `all clients are ready ${what}`, PATIENCE)

  it(`loses nothing and repeats nothing while one and the other are killed ${KILLS} times, with ${CLIENTS} clients and ${WRITES} writes`, async () => {
    const seed = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 1e6))
    console.log(`      SEED=${seed} repeats these writes`)
    const writers = Array.from({ length: WRITERS }, (_, index) => new Writer(db, TEAMS, seed + index))
    await writers[0]?.fill()
    for (let index = 0; index < CLIENTS; index++)
      visitors.push(new Visitor(cluster.url, { team: TEAMS[index % TEAMS.length] }))
    await allReady('at first')
    const first = visitors.map(({ visits }) => visits.length)

    const began = Date.now()
    const written = () => writers.reduce((sum, writer) => sum + writer.written, 0)
    let goal = 0
    const writing = Promise.all(
      writers.map(async (writer) => {
        // No faster than the kills, so that all of these fall among the writes.
        while (written() < WRITES)
          if (written() < goal) await writer.write()
          else await new Promise((resolve) => setTimeout(resolve, 5))
      }),
    )
    for (let kill = 0; kill < KILLS; kill++) {
      goal = ((kill + 1) * WRITES) / KILLS
      await until(() => written() > goal - (WRITES / KILLS) * 0.7, 'writes are under way', PATIENCE)
      // All who were on the one that is killed now come back to the other, or to this one when it runs again.
      const node = kill % 2
      await cluster.kill(node)
      await cluster.start(node)
      await allReady(`after kill ${kill + 1}`)
    }
    await writing

    const truth = await teamModels(db, TEAMS)
    const isRight = (visitor: Visitor) =>
      isDeepStrictEqual(ordered(visitor.client.data), truth.get(teamOf(visitor)))
    await until(() => visitors.every(isRight), 'all models are right', PATIENCE).catch(() => {})
    const returns = visitors
      .flatMap(({ visits }, index) => visits.slice(first[index]))
      // Not one whose node was gone before it had answered: it came back once more.
      .filter(({ resumed }) => resumed !== undefined)
    report(returns, Date.now() - began)

    const wrong = visitors.filter((visitor) => !isRight(visitor))
    if (wrong[0]) {
      const what = `${wrong.length} clients, the first of ${teamOf(wrong[0])}`
      expect(ordered(wrong[0].client.data), what).to.deep.equal(truth.get(teamOf(wrong[0])))
    }
    expect(visitors.flatMap(({ leaps }) => leaps)).to.deep.equal([])
    expect(JSON.stringify(visitors.map(({ client }) => client.data))).not.to.contain('SECRET')
    expect(visitors.flatMap(({ errors }) => errors).map(String)).to.deep.equal([])
    expect(cluster.output()).to.equal('')
    // Each kill but the first takes about half of the clients away from their node, at the least.
    expect(returns.length).to.be.greaterThan((KILLS * CLIENTS) / 3)
    expect(returns.filter(isResumed).length / returns.length).to.be.at.least(0.95)
  })
})

function isResumed(visit: Visit): boolean {
  return visit.resumed === true && visit.resets.length === 0
}

function report(returns: Visit[], ms: number): void {
  const reasons = new Map<string, number>()
  for (const visit of returns.filter((one) => !isResumed(one))) {
    const away = `away for ${Math.round((visit.away ?? 0) / 1000)} s`
    const why = `${visit.presented ? '' : 'no position, '}${away}, resumed ${visit.resumed} ${visit.reason ?? ''} [${visit.resets}]`
    reasons.set(why, (reasons.get(why) ?? 0) + 1)
  }
  const resumed = returns.filter(isResumed).length
  console.log(`      ${returns.length} reconnects, ${resumed} resumed, in ${Math.round(ms / 1000)} s`)
  for (const [why, count] of reasons) console.log(`      ${count} not: ${why}`)
}
