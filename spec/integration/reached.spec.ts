import { expect } from 'chai'
import express from 'express'
import { Client, Server } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { CollectionHandle } from '../../lib/source/source.ts'
import { Balancer } from '../support/balancer.ts'
import { type Listening, listen } from '../support/http.ts'
import { late } from '../support/late.ts'

const WRITES = 1_000
/** The writes under way at the same time. */
const PARALLEL = 20

interface Task {
  _id: number
  value: number
}

/** A page that shows its writes at once, behind a balancer that sends each request to another node. */
describe('An optimistic write', () => {
  const nodes: { server: Server; listening: Listening; errors: Error[] }[] = []
  let balancer: Balancer | undefined
  let client: Client<{ tasks: Task[] }> | undefined
  let tasks = memory().collection<Task>('tasks')

  const startNode = async () => {
    const errors: Error[] = []
    const collection: CollectionHandle = late(tasks, () => 5 + 25 * Math.random())
    const server = new Server({
      secret: 'the secret of all nodes',
      dataSources: { tasks: { manifest: true, collection, criteria: { value: { $lt: 1_000 } } } },
      identityLookup: (identity) => identity as { user: number },
      onError: (error) => errors.push(error),
    })
    const app = express()
    app.use(server.middleware())
    app.post('/tasks/:id/:value', async ({ params }, response) => {
      await tasks.updateOne({ _id: Number(params.id) }, { $set: { value: Number(params.value) } })
      response.json({ position: await server.position('tasks') })
    })
    const node = { server, errors, listening: await listen(app) }
    nodes.push(node)
    return node
  }
  const connect = (url: string) => {
    client = new Client<{ tasks: Task[] }>({
      url: `${url}/particle`,
      identity: { user: 1 },
      onError: () => {},
    })
    return client
  }
  /** Writes by REST, again and again until a node has answered: the write is the same each time. */
  const write = async (url: string, id: number, value: number): Promise<string> => {
    for (;;) {
      const response = await fetch(`${url}/tasks/${id}/${value}`, { method: 'POST' }).catch(() => undefined)
      if (response?.ok) return ((await response.json()) as { position: string }).position
    }
  }

  beforeEach(() => {
    tasks = memory().collection<Task>('tasks')
  })
  afterEach(async () => {
    client?.close()
    await balancer?.close()
    for (const { server, listening } of nodes.splice(0)) {
      await server.disconnect()
      await listening.close()
    }
  })

  it('never flickers, and never waits for ever, over two nodes of which one is killed in the middle', async function () {
    this.timeout(60_000)
    const both = [await startNode(), await startNode()]
    balancer = await Balancer.open(both.map(({ listening }) => listening.port))
    const { url } = balancer
    await tasks.insertMany(Array.from({ length: WRITES }, (_, _id) => ({ _id, value: 500 })))
    const page = connect(url)
    await page.ready()
    const pending = new Map<number, number>()
    const written = new Set<number>()
    const flickers: number[] = []
    const look = () => {
      for (const { _id, value } of page.getSnapshot('tasks'))
        if (written.has(_id) && (pending.get(_id) ?? value) !== 3) flickers.push(_id)
    }
    page.subscribe(look)
    let next = 0
    let killed = false
    const work = async () => {
      for (let id = next++; id < WRITES; id = next++) {
        pending.set(id, 3)
        written.add(id)
        if (id === WRITES / 2 && !killed) {
          killed = true
          const holder = both.find(({ server }) => server.stats().connections > 0)
          balancer?.remove(holder?.listening.port ?? 0)
          void holder?.listening.close()
        }
        const position = await write(url, id, 3)
        await page.reached(position)
        pending.delete(id)
        look()
      }
    }
    await Promise.all(Array.from({ length: PARALLEL }, work))
    expect(flickers).to.deep.equal([])
    expect(page.data.tasks?.every(({ value }) => value === 3)).to.equal(true)
    expect(page.status).to.equal('ready')
  })

  it('that leaves the view is reached, after the listeners were called', async () => {
    const { listening } = await startNode()
    await tasks.insertMany([
      { _id: 1, value: 500 },
      { _id: 2, value: 2_000 },
    ])
    const page = connect(listening.url)
    const calls: number[] = []
    page.subscribe(() => calls.push(page.getSnapshot('tasks').length))
    await page.ready()
    await page.reached(await write(listening.url, 1, 3_000))
    expect(calls.at(-1)).to.equal(0)
    const began = performance.now()
    await page.reached(await write(listening.url, 2, 2_001))
    expect(performance.now() - began).to.be.below(1_000)
  })

  it('is waited for by a client that is about to connect, or pauses', async () => {
    const { listening } = await startNode()
    await tasks.insertOne({ _id: 1, value: 500 })
    const position = await write(listening.url, 1, 3)
    const page = connect(listening.url)
    await page.reached(position)
    expect(page.data.tasks).to.deep.equal([{ _id: 1, value: 3 }])
    page.pause()
    const later = page.reached(await write(listening.url, 1, 4))
    page.resume()
    await later
    expect(page.data.tasks).to.deep.equal([{ _id: 1, value: 4 }])
  })

  it('is given up after a time-out that says so, and refused for what is no position', async () => {
    const { listening } = await startNode()
    const page = connect(listening.url)
    const failure = async (reached: Promise<void>) => {
      const { code, message } = await reached.then(
        () => ({ code: 'none', message: '' }),
        (error) => error,
      )
      return `${code} ${message}`
    }
    await page.ready()
    const position = await write(listening.url, 1, 3)
    page.pause()
    expect(await failure(page.reached(position, { timeout: 50 }))).to.match(/^TIMED_OUT .*within 50 ms/)
    page.resume()
    const [good, ...wrong] = [position, 'MTp4', '', 'not base64!', 7 as unknown as string]
    const waits = wrong.map((each) => failure(page.reached(each)))
    await page.reached(good)
    for (const wait of waits) expect(await wait).to.match(/^INVALID_OPTION /)
    for (const options of [{ timeout: -1 }, { timeoutMs: 50 }, 50, null])
      expect(await failure(page.reached(position, options as never))).to.match(/^INVALID_OPTION .*timeout/)
    page.pause()
    const waiting = failure(page.reached(position))
    page.close()
    expect(await waiting).to.match(/^CLOSED /)
    expect(await failure(page.reached(position))).to.match(/^CLOSED /)
  })

  it('is reached by a client of the same process too', async () => {
    const { server } = await startNode()
    client = new Client<{ tasks: Task[] }>({
      identity: { user: 1 },
      onRegister: (identity, receiver, done) => server.register(identity, receiver, done),
    })
    await client.ready()
    await tasks.insertOne({ _id: 1, value: 3 })
    await client.reached(await server.position('tasks'))
    expect(client.data.tasks).to.deep.equal([{ _id: 1, value: 3 }])
    const refused = await client.reached('MTp4').catch(({ code }) => code)
    expect(refused).to.equal('INVALID_OPTION')
  })
})
