import { expect } from 'chai'
import { type Collection, MongoClient } from 'mongodb'

import type { Browser } from 'playwright-core'
import { Client } from '../../lib/client/index.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { type MemoryCollection, memory } from '../../lib/source/memory/index.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import { freshDatabase } from '../source/mongo/fold.ts'
import { type Listening, listen } from '../support/http.ts'
import { sharedBrowser } from '../support/life/browser.ts'
import { until } from '../support/local.ts'
import { mongoOrSkip } from '../support/mongod.ts'
import { openStream, type SseReader } from '../support/sse.ts'

const COUNT = 2000

interface Row {
  _id: number
  n: number
  odd: boolean
}
const rows = () => Array.from({ length: COUNT }, (_, _id): Row => ({ _id, n: 0, odd: _id % 2 === 1 }))

interface Stats {
  renders: number
  frames: number
  longest: number
}

/** A page as people write their first: it renders all rows at each notification. */
const NAIVE_PAGE = `<!doctype html><table></table><script type="module">
import { Client } from '/particle/client.js'
Object.assign(window, { ready: false, shown: 0, renders: 0, painted: 0, longest: 0 })
const frame = () => { window.painted++; requestAnimationFrame(frame) }
const render = (data) => {
  const began = performance.now()
  document.querySelector('table').innerHTML = (data.users ?? []).map(({ _id, n }) => '<tr><td>' + _id + '<td>' + n).join('')
  document.querySelector('table').offsetHeight
  if (window.ready) window.renders++
  window.shown = Math.min(...(data.users ?? []).map(({ n }) => n))
  window.longest = Math.max(window.longest, performance.now() - began)
}
const client = new Client({ onData: render })
await client.ready()
requestAnimationFrame(frame)
window.ready = true
</script>`

/** What a write of many documents is to everyone who follows it. */
describe('A write of many documents', () => {
  let server: Server
  let listening: Listening
  let client: Client
  let reader: SseReader
  /** The events of each notification of the client. */
  let told: string[][] = []

  /** Serves the sources, and waits until a client of ours and a bare one are current. */
  const start = async (dataSources: ServerOptions['dataSources'], more: object = {}) => {
    server = new Server({ dataSources, ...more })
    listening = await listen(server.middleware())
    client = new Client({
      url: `${listening.url}/particle`,
      onData: (_data, _event, events) => told.push(events.map(({ event }) => event)),
    })
    reader = await openStream(`${listening.url}/particle/stream`)
    await client.ready()
    await reader.next('ready')
    told = []
  }
  const deltas = () => reader.events.flatMap((event) => (event.event === 'delta' ? [event] : []))
  /** The roots and sizes of the deltas that came, once they add up to so many operations. */
  const came = async (operations: number) => {
    const sizes = () => deltas().map(({ data }) => [data.root, data.oplist.length] as const)
    const sum = () => sizes().reduce((total, [, size]) => total + size, 0)
    await until(() => sum() >= operations, 'all operations have come', 10_000)
    await until(() => told.length > 0)
    return sizes()
  }
  afterEach(async () => {
    client?.close()
    reader?.close()
    await server?.disconnect()
    await listening?.close()
  })

  describe('of memory()', () => {
    const writes = {
      updateMany: (users: MemoryCollection<Row>) => users.updateMany({}, { $inc: { n: 1 } }),
      insertMany: (users: MemoryCollection<Row>) =>
        users.insertMany(rows().map((row) => ({ ...row, _id: row._id + COUNT }))),
      deleteMany: (users: MemoryCollection<Row>) => users.deleteMany({}),
    }

    for (const [name, write] of Object.entries(writes)) {
      it(`by ${name} is one event for each root`, async () => {
        const users = memory().collection<Row>('users')
        await users.insertMany(rows())
        await start({
          users: { manifest: true, collection: users },
          odd: { manifest: { n: true }, collection: users, criteria: { odd: true } },
        })
        await write(users)
        expect(await came(COUNT * 1.5)).to.have.deep.members([
          ['users', COUNT],
          ['odd', COUNT / 2],
        ])
        expect(told.flat()).to.deep.equal(['delta', 'delta'])
        expect(deltas().map(({ id }) => id === 'none')).to.deep.equal([true, false])
        const truth = await users.find().toArray()
        expect(client.data.users).to.deep.equal(truth)
        expect(client.data.odd).to.have.length(truth.filter(({ odd }) => odd).length)
      })
    }

    it('of more than fits an event leaves as few, of which none takes a page long', async () => {
      const users = memory().collection('users')
      await users.insertMany(Array.from({ length: 50_000 }, (_, _id) => ({ _id, n: 0 })))
      await start({ users: { manifest: true, collection: users } }, { maxBufferedBytes: 1e8 })
      await users.updateMany({}, { $inc: { n: 1 } })
      const sizes = (await came(50_000)).map(([, size]) => size)
      expect(sizes.length).to.be.within(2, 10)
      expect(Math.max(...sizes)).to.be.at.most(30_000)
      await until(
        () => client.data.users?.every(({ n }) => n === 1) === true,
        'the client has them all',
        10_000,
      )
    })
  })

  describe('in a page that renders all of its rows each time', () => {
    let browser: Browser
    before(async function () {
      browser = await sharedBrowser(this)
    })

    it('renders at most once a frame, however many writes come', async () => {
      const users = memory().collection<Row>('users')
      await users.insertMany(rows())
      server = new Server({ dataSources: { users: { manifest: true, collection: users } } })
      const handler = server.middleware()
      listening = await listen((request, response) => {
        if (request.url === '/') response.setHeader('Content-Type', 'text/html').end(NAIVE_PAGE)
        else handler(request, response)
      })
      const page = await browser.newPage()
      try {
        await page.goto(listening.url)
        await page.waitForFunction('window.ready === true')
        for (let n = 1; n <= 5; n++) {
          for (let _id = 0; _id < COUNT; _id++) await users.updateOne({ _id }, { $set: { n } })
          await new Promise((resolve) => setImmediate(resolve))
        }
        await page.waitForFunction('shown === 5')
        const { renders, frames, longest } = (await page.evaluate(
          '({ renders, frames: painted, longest })',
        )) as Stats
        console.log(
          `      ${5 * COUNT} writes: ${renders} renders in ${frames} frames, the longest ${Math.round(longest)} ms`,
        )
        expect(renders).to.be.within(1, frames + 1)
      } finally {
        await page.close()
      }
    })
  })

  describe('of MongoDB', () => {
    let mongoClient: MongoClient
    /** How many events each answer to the change stream held. */
    let answers: number[] = []
    before(async function () {
      mongoClient = new MongoClient((await mongoOrSkip(this)).url, { monitorCommands: true })
      mongoClient.on('commandSucceeded', ({ commandName, reply }) => {
        const events: unknown = commandName === 'getMore' && Object(reply).cursor?.nextBatch
        if (Array.isArray(events) && events.length > 0) answers.push(events.length)
      })
    })
    after(() => mongoClient?.close())

    const writes = {
      updateMany: (users: Collection<Row>) => users.updateMany({}, { $inc: { n: 1 } }),
      bulkWrite: (users: Collection<Row>) =>
        users.bulkWrite(
          rows().map(({ _id }) => ({ updateOne: { filter: { _id }, update: { $set: { n: 5 } } } })),
        ),
      insertMany: (users: Collection<Row>) =>
        users.insertMany(rows().map((row) => ({ ...row, _id: row._id + COUNT }))),
      deleteMany: (users: Collection<Row>) => users.deleteMany({}),
    }
    for (const [name, write] of Object.entries(writes)) {
      it(`by ${name} is one event for all of it that the change stream answers at once`, async () => {
        const db = freshDatabase(mongoClient)
        try {
          const users = db.collection<Row>('users')
          await users.insertMany(rows())
          await start({ users: { manifest: true, collection: mongo(db).collection('users') } })
          answers = []
          await write(users)
          const sizes = (await came(COUNT)).map(([, size]) => size)
          expect(sizes).to.deep.equal(answers)
          expect(told.flat()).to.have.lengthOf.at.most(sizes.length)
          expect(client.data.users).to.have.deep.members(await users.find().toArray())
        } finally {
          await db.dropDatabase()
        }
      })
    }
  })
})
