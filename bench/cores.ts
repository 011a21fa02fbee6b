/**
 * Compares two processes with one, on one host: `tsx bench/cores.ts [mongo|redis|postgres ...] [--rounds n] [--quick]`, after a build.
 * Each arrangement serves the same clients and the same changes. Prints Markdown.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { MongoClient } from 'mongodb'
import { redis } from 'particle/redis'
import pg from 'pg'
import { createClient } from 'redis'
import { startMongo } from '../spec/support/mongod.ts'
import { startPostgres } from '../spec/support/postgres.ts'
import { startRedis } from '../spec/support/redis.ts'
import { Child } from './child.ts'
import { noteOf, personOf } from './event.ts'
import { median, rotated } from './statistics.ts'

/**
 * How many clients see each change, how many changes there are, and how many are written at once. The next ones wait until these have
 * been delivered, since a process that is behind sends several changes in one event.
 */
const LOADS = [
  { clients: 1000, changes: 320, atOnce: 1 },
  { clients: 1000, changes: 2000, atOnce: 50 },
  { clients: 0, changes: 4000, atOnce: 50 },
] as const
const ARRANGEMENTS = {
  one: { processes: 1, shared: false },
  two: { processes: 2, shared: false },
  shared: { processes: 2, shared: true },
} as const
const PEOPLE = 200

/** A store to write to. */
interface Store {
  url: string
  /** Changes the notes of so many people, from this number on. */
  change(from: number, count: number, shown: boolean): Promise<void>
  /** Inserts a mark, which all changes before it precede. */
  mark(mark: number): Promise<void>
  stop(): Promise<void>
}

type Name = keyof typeof ARRANGEMENTS

interface Figures {
  /** The CPU time of the busiest process, in microseconds a change. */
  busiest: number
  /** That of all processes. */
  total: number
  /** From the first write to the last delivery, in microseconds a change. */
  wall: number
}

const people = Array.from({ length: 2 * PEOPLE }, (_, id) => ({ ...personOf(id), shown: id < PEOPLE }))
const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)
const idOf = (number: number, shown: boolean) => (number % PEOPLE) + (shown ? 0 : PEOPLE)

async function openMongo(): Promise<Store> {
  const { url, stop } = await startMongo({ history: 20_000 })
  const client = await new MongoClient(url).connect()
  const db = client.db('cores')
  for (const name of ['people', 'marks'])
    await db.createCollection(name, { changeStreamPreAndPostImages: { enabled: true } })
  await db.collection<{ _id: number }>('people').insertMany(people)
  return {
    url,
    change: async (from, count, shown) => {
      const operations = numbers(from, count).map((number) => {
        const update = { $set: { note: noteOf(number) } }
        return { updateOne: { filter: { _id: idOf(number, shown) }, update } }
      })
      await db.collection<{ _id: number }>('people').bulkWrite(operations)
    },
    mark: async (mark) => void (await db.collection<{ _id: number }>('marks').insertOne({ _id: mark })),
    stop: async () => {
      await client.close()
      await stop()
    },
  }
}

async function openRedis(): Promise<Store> {
  const { url, stop } = await startRedis()
  const client = await createClient({ url }).connect()
  const db = redis(client as never, { stream: 'changes' })
  const collection = db.collection('people', { type: 'json', id: 'number' })
  const marks = db.collection('marks', { type: 'json', id: 'number' })
  for (const { _id, ...fields } of people) await collection.set(_id, fields)
  return {
    url,
    change: async (from, count, shown) => {
      const update = (number: number) => collection.update(idOf(number, shown), { note: noteOf(number) })
      await Promise.all(numbers(from, count).map(update))
    },
    mark: async (mark) => await marks.set(mark, {}),
    stop: async () => {
      client.destroy()
      await stop()
    },
  }
}

async function openPostgres(): Promise<Store> {
  const { url, stop } = await startPostgres()
  const pool = new pg.Pool({ connectionString: url })
  pool.on('error', () => {})
  await pool.query('CREATE TABLE people (_id int PRIMARY KEY, name text, email text, note text, shown bool)')
  await pool.query('CREATE TABLE marks (_id int PRIMARY KEY)')
  await pool.query('ALTER TABLE people REPLICA IDENTITY FULL')
  for (const { _id, name, email, note, shown } of people)
    await pool.query('INSERT INTO people VALUES ($1, $2, $3, $4, $5)', [_id, name, email, note, shown])
  return {
    url,
    change: async (from, count, shown) => {
      const update = (number: number) =>
        pool.query('UPDATE people SET note = $1 WHERE _id = $2', [noteOf(number), idOf(number, shown)])
      await Promise.all(numbers(from, count).map(update))
    },
    mark: async (mark) => void (await pool.query('INSERT INTO marks VALUES ($1)', [mark])),
    stop: async () => {
      await pool.end()
      await stop()
    },
  }
}

const STORES: Record<string, () => Promise<Store>> = {
  mongo: openMongo,
  redis: openRedis,
  postgres: openPostgres,
}

let marks = 0
let written = 0

/** Serves every load by one arrangement of processes. */
async function measure(kind: string, store: Store, name: Name): Promise<Figures[]> {
  const { processes, shared } = ARRANGEMENTS[name]
  const folder = await mkdtemp(join(tmpdir(), 'particle-cores-'))
  const workers = Array.from(
    { length: processes },
    (_, core) => new Child('worker.ts', [kind, store.url, shared ? folder : ''], core),
  )
  const load = new Child('load.ts', [], 1)
  try {
    const figures: Figures[] = []
    const all = <T>(method: string, argument?: unknown) =>
      Promise.all(workers.map((worker) => worker.call<T>(method, argument)))
    const addresses = await all<object>('address')
    for (const { clients, changes: many, atOnce } of LOADS) {
      const changes = many / (values.quick ? 4 : 1)
      for (const address of clients > 0 ? addresses : [])
        await load.call('open', { ...address, clients: clients / processes })
      const write = async (count: number) => {
        let deliveries = await load.call<number>('deliveries')
        const mark = ++marks
        for (let rest = count; rest > 0; rest -= atOnce, written += atOnce) {
          await store.change(written, atOnce, clients > 0)
          deliveries += atOnce * clients
          await load.call('reach', { deliveries, patience: 60_000 })
        }
        await store.mark(mark)
        await all('marked', mark)
      }
      // Warms up. By then the processes have found each other.
      await write(Math.max(atOnce, changes / 4))
      await wait(300)
      const before = await all<number>('cpu')
      const began = performance.now()
      await write(changes)
      const wall = ((performance.now() - began) * 1000) / changes
      const after = await all<number>('cpu')
      const times = after.map((time, index) => (time - (before[index] ?? 0)) / changes)
      figures.push({ busiest: Math.max(...times), total: times.reduce((sum, time) => sum + time, 0), wall })
      await load.call('close')
    }
    return figures
  } finally {
    await Promise.all([...workers, load].map((child) => child.end()))
    await rm(folder, { recursive: true, force: true })
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' }, quick: { type: 'boolean', default: false } },
})
const kinds = positionals.length > 0 ? positionals : Object.keys(STORES)
const names = Object.keys(ARRANGEMENTS) as Name[]
console.log(`
CPU time of a change in µs. \`times\` is the rate of changes beside that of one process: as the busier process allows by its CPU time,
as both would if they had equal work, and by the clock.

| load | processes | busier one | all | times | times, balanced | by the clock |
| --- | --- | ---: | ---: | ---: | ---: | ---: |`)
for (const kind of kinds) {
  const store = await STORES[kind]?.()
  if (!store) throw new Error(`${kind} is not known; known are ${Object.keys(STORES)}`)
  try {
    const rounds = new Map<Name, Figures[][]>(names.map((name) => [name, []]))
    for (let round = 0; round < Number(values.rounds); round++)
      for (const name of rotated(names, round)) rounds.get(name)?.push(await measure(kind, store, name))
    for (const [index, { clients, atOnce }] of LOADS.entries()) {
      const of = (name: Name, figure: keyof Figures) =>
        median(rounds.get(name)?.map((figures) => figures[index]?.[figure] ?? Number.NaN) ?? [])
      for (const name of names) {
        const cells = [of(name, 'busiest').toFixed(0), of(name, 'total').toFixed(0)]
        const { processes } = ARRANGEMENTS[name]
        const times = [
          of('one', 'busiest') / of(name, 'busiest'),
          (processes * of('one', 'total')) / of(name, 'total'),
          of('one', 'wall') / of(name, 'wall'),
        ]
        const load = `${kind}, ${clients} clients, ${atOnce} at once`
        console.log(`| ${[load, name, ...cells, ...times.map((one) => one.toFixed(2))].join(' | ')} |`)
      }
    }
  } finally {
    await store.stop()
  }
}
