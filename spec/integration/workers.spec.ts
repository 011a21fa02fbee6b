import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { type Db, MongoClient } from 'mongodb'
import { bundled } from '../support/bundled.ts'
import { ordered, teamModels } from '../support/cluster/team.ts'
import { Visitor } from '../support/cluster/visitor.ts'
import type { WorkersOptions } from '../support/cluster/workers.ts'
import { Writer } from '../support/cluster/writer.ts'
import { socketFolder } from '../support/host.ts'
import { until } from '../support/local.ts'
import { type MongoServer, mongoOrSkip, startMongo } from '../support/mongod.ts'
import { freePort, type Program, startProgram } from '../support/process.ts'

const WORKERS = 3
const CLIENTS = 18
const WRITES = 1500
const KILLS = 3
const TEAMS = ['t0', 't1', 't2']
/** How long all may take to be ready again on a busy machine, in milliseconds. */
const PATIENCE = 60_000

/** A worker, and how many change streams it has open. */
interface Worker {
  pid: number
  streams: number
}

describe('Workers of node:cluster that read the change stream once per host', function () {
  this.timeout(300_000)
  let server: MongoServer
  let mongo: MongoClient
  let db: Db
  let sockets: Awaited<ReturnType<typeof socketFolder>>
  let program: Program
  let ports: number[]
  const workers = new Map<number, Worker>()
  const visitors: Visitor[] = []

  beforeEach(async function () {
    server = await mongoOrSkip(this, () => startMongo({ history: 12_000 }))
    mongo = new MongoClient(server.url)
    const database = `workers${process.pid}`
    db = mongo.db(database)
    await db.dropDatabase()
    for (const name of ['tasks', 'notices'])
      await db.createCollection(name, { changeStreamPreAndPostImages: { enabled: true } })
    sockets = await socketFolder()
    ports = []
    while (ports.length < WORKERS) ports.push(await freePort())
    const options: WorkersOptions = {
      ...{ ports, url: server.url, database, secret: randomUUID(), replay: 20_000 },
      oncePerHost: sockets.folder,
    }
    const main = await bundled(new URL('../support/cluster/workers.ts', import.meta.url).pathname)
    program = startProgram(process.execPath, [main, JSON.stringify(options)])
    createInterface({ input: program.child.stdout ?? Readable.from([]) }).on('line', (line) => {
      const [index = Number.NaN, pid = 0, streams = 0] = line.split(' ').map(Number)
      if (!Number.isNaN(index)) workers.set(index, { pid, streams })
    })
  })

  afterEach(async () => {
    for (const visitor of visitors.splice(0)) visitor.close()
    await program?.stop()
    for (const { pid } of workers.values()) send(pid, 'SIGKILL')
    workers.clear()
    await sockets?.remove()
    await db?.dropDatabase()
    await mongo?.close()
    await server?.stop()
  })

  const leaders = () => [...workers].filter(([, { streams }]) => streams > 0).map(([index]) => index)
  const isShared = () => workers.size === WORKERS && leaders().length === 1
  const models = async () => {
    const truth = await teamModels(db, TEAMS)
    return (visitor: Visitor) => {
      const team = TEAMS[visitors.indexOf(visitor) % TEAMS.length] ?? ''
      return isDeepStrictEqual(ordered(visitor.client.data), truth.get(team))
    }
  }

  /** Lets clients come, the same number to each worker. */
  async function open(): Promise<Writer> {
    const writer = new Writer(db, TEAMS, 7)
    await writer.fill()
    for (let index = 0; index < CLIENTS; index++) {
      const url = `http://127.0.0.1:${ports[Math.floor(index / TEAMS.length) % WORKERS]}/particle`
      visitors.push(new Visitor(url, { team: TEAMS[index % TEAMS.length] }))
    }
    await until(() => visitors.every(({ status }) => status === 'ready'), 'all are ready', PATIENCE)
    await until(isShared, 'one worker reads the stream', PATIENCE)
    return writer
  }

  it('lose nothing and repeat nothing when the one that reads it is killed, again and again', async () => {
    const writer = await open()
    let kills = 0
    while (writer.written < WRITES) {
      await writer.write()
      if (kills >= KILLS || writer.written < ((kills + 1) * WRITES) / (KILLS + 1)) continue
      kills++
      const [leader = 0] = leaders()
      const { pid = 0 } = workers.get(leader) ?? {}
      send(pid, 'SIGKILL')
      await until(() => workers.get(leader)?.pid !== pid && isShared(), 'another one reads', PATIENCE)
    }
    const isRight = await models()
    await until(() => visitors.every(isRight), 'all models are right', PATIENCE)
    expect(visitors.flatMap(({ leaps }) => leaps)).to.deep.equal([])
    expect(visitors.flatMap(({ errors }) => errors).map(String)).to.deep.equal([])
    expect(leaders().length).to.equal(1)
  })

  it('go on while the one that reads it is stopped, and follow another one once it runs again', async () => {
    const writer = await open()
    const [leader = 0] = leaders()
    const { pid = 0 } = workers.get(leader) ?? {}
    const others = visitors.filter((_, index) => Math.floor(index / TEAMS.length) % WORKERS !== leader)
    send(pid, 'SIGSTOP')
    while (writer.written < WRITES) await writer.write()
    const isRight = await models()
    await until(() => others.every(isRight), 'the models of the other workers are right', PATIENCE)
    await until(() => leaders().length === 2, 'another worker reads', PATIENCE)
    send(pid, 'SIGCONT')
    await until(() => isShared() && leaders()[0] !== leader, 'the stopped worker reads no more', PATIENCE)
    await until(() => visitors.every(isRight), 'all models are right', PATIENCE)
    await writer.write()
    const isRightAgain = await models()
    await until(() => visitors.every(isRightAgain), 'all models are right again', PATIENCE)
    expect(visitors.flatMap(({ leaps }) => leaps)).to.deep.equal([])
  })
})

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}
