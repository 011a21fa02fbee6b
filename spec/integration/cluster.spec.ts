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

const CLIENTS = 200
const WRITES = 20_000
const KILLS = 10
/** Far more than is written while a client is away. */
const HISTORY = 6000
const TEAMS = Array.from({ length: 10 }, (_, index) => `t${index}`)

describe('Two nodes behind a balancer', function () {
  this.timeout(240_000)
  let server: MongoServer
  let mongo: MongoClient
  let db: Db
  let cluster: Cluster
  const visitors: Visitor[] = []

  before(async function () {
    server = await mongoOrSkip(this, () => startMongo({ history: HISTORY }))
    const { url } = server
    mongo = new MongoClient(url)
    const database = `cluster${process.pid}`
    db = mongo.db(database)
    await db.dropDatabase()
    cluster = await Cluster.start(2, { url, database, secret: randomUUID(), heartbeat: 5000 })
  })

  after(async () => {
    for (const visitor of visitors) visitor.close()
    await cluster?.stop()
    await db?.dropDatabase()
    await mongo?.close()
    await server?.stop()
  })

  const allReady = (what: string) =>
    until(() => visitors.every(({ status }) => status === 'ready'), `all clients are ready ${what}`, 30_000)

  it(`lose nothing and repeat nothing while one after the other is killed, with ${CLIENTS} clients and ${WRITES} writes`, async () => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6) + 1)
    const began = Date.now()
    const seconds = () => `${((Date.now() - began) / 1000).toFixed(1)} s`
    console.log(`      seed ${seed} (SEED=${seed} repeats its writes)`)
    const writers = Array.from({ length: 3 }, (_, index) => new Writer(db, TEAMS, seed + index))
    await writers[0]?.fill()
    for (let index = 0; index < CLIENTS; index++) {
      visitors.push(new Visitor(cluster.url, { team: TEAMS[index % TEAMS.length] }))
    }
    await allReady('at first')
    console.log(`      ready: ${seconds()}`)

    const written = () => writers.reduce((sum, writer) => sum + writer.written, 0)
    let goal = 0
    const writing = Promise.all(
      writers.map(async (writer) => {
        while (written() < WRITES) {
          // No faster than the kills, so that all of them fall among the writes.
          if (written() < goal) await writer.write()
          else await new Promise((resolve) => setTimeout(resolve, 5))
        }
      }),
    )
    const first = visitors.map(({ visits }) => visits.length)
    for (let kill = 0; kill < KILLS; kill++) {
      goal = ((kill + 1) * WRITES) / KILLS
      await until(() => written() > goal - (WRITES / KILLS) * 0.7, 'writes are under way', 30_000)
      const node = kill % 2
      await cluster.kill(node)
      await cluster.start(node)
      await allReady(`after kill ${kill + 1}`)
      console.log(`      kill ${kill + 1}: ${seconds()}, ${written()} writes`)
    }
    await writing
    console.log('cpu', process.cpuUsage())
    console.log(`      written: ${seconds()}`)

    const truth = await teamModels(db, TEAMS)
    const shown = (index: number) => ordered(visitors[index]?.client.data ?? {})
    const team = (index: number) => TEAMS[index % TEAMS.length] ?? ''
    const wrong = () =>
      visitors.findIndex((_, index) => !isDeepStrictEqual(shown(index), truth.get(team(index))))
    await until(() => wrong() < 0, 'all models are right', 20_000).catch(() => {})
    console.log(`      current: ${seconds()}`)

    const returns = visitors.flatMap(({ visits }, index) => visits.slice(first[index]))
    report(returns)
    const leaps = visitors.flatMap((visitor) => visitor.leaps)
    console.log(`      leaps: ${leaps.length} ${leaps.slice(0, 5).join('; ')}`)
    const at = wrong()
    if (at >= 0) {
      console.log('wrong', visitors.map((_, i) => i).filter((i) => !isDeepStrictEqual(shown(i), truth.get(team(i)))).map((i) => i+':'+team(i)).join(' '))
      for (const root of ['notices', 'tasks']) {
        const a = new Map((shown(at)[root]??[]).map((d: any) => [d._id, d])), b = new Map((truth.get(team(at))![root]??[]).map((d: any) => [d._id, d]))
        for (const id of new Set([...a.keys(), ...b.keys()])) if (!isDeepStrictEqual(a.get(id), b.get(id))) console.log(root, id, 'shown', JSON.stringify(a.get(id)), 'truth', JSON.stringify(b.get(id)))
      }
    }
    if (at >= 0) expect(shown(at)).to.deep.equal(truth.get(team(at)))
    expect(JSON.stringify(visitors.map(({ client }) => client.data))).not.to.contain('SECRET')
    expect(visitors.flatMap(({ errors }) => errors).map(String)).to.deep.equal([])
    expect(returns.length).to.be.greaterThan(CLIENTS)
    expect(returns.filter(isResumed).length / returns.length).to.be.at.least(0.95)
  })
})

function isResumed(visit: Visit): boolean {
  return visit.resumed === true && visit.resets.length === 0
}

function report(returns: Visit[]): void {
  const reasons = new Map<string, number>()
  for (const visit of returns.filter((one) => !isResumed(one))) {
    const said =
      visit.resumed === undefined ? 'no manifest' : `resumed ${visit.resumed} ${visit.reason ?? ''}`
    const why = `${visit.presented ? '' : 'no position, '}${said} [${visit.resets}]${visit.ready ? '' : ' not ready'}`
    reasons.set(why, (reasons.get(why) ?? 0) + 1)
  }
  console.log(`      ${returns.length} reconnects, ${returns.filter(isResumed).length} resumed`)
  for (const [why, count] of reasons) console.log(`      ${count} not: ${why}`)
}
