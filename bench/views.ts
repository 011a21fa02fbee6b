/** A process with a server of many views, and subscribers of its own: `views.ts <accounts> <documents of each>`. */

import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import particle from 'particle'
import { memory } from 'particle/memory'
import { serve } from './child.ts'
import { noteOf, personOf } from './event.ts'

const [accounts = 0, each = 0] = process.argv.slice(2).map(Number)

const people = memory().collection('people')
await people.insertMany(
  Array.from({ length: accounts * each }, (_, id) => ({ ...personOf(id), account: id % accounts })),
)
// The index by which it is read, which is the collection's.
for (let count = 0; count < 2; count++) await people.countDocuments({ account: 0 })
const server = new particle.Server({
  identityLookup: (identity) => identity,
  dataSources: {
    people: {
      collection: people,
      criteria: { account: '@account' },
      manifest: { name: true, email: true, address: { city: true, street: true }, tags: true, note: true },
    },
  },
  // Pings are no part of a change's cost, nor of a view's.
  heartbeat: 1_800_000,
})

let ready = 0
let deltas = 0
/** How many accounts somebody looks at, and the change that comes next. */
let watched = 0
/** The next account that nobody looked at. */
let newest = 0
let number = 0

function receive(name: string): void {
  if (name === 'ready') ready++
  else if (name === 'delta') deltas++
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 300_000; !condition(); await wait(2))
    if (Date.now() > end) throw new Error(`${what} did not come in time`)
}

/** Changes so many documents, each of another account than the one before, one a turn of the event loop. */
async function change(changes: number): Promise<void> {
  const expected = deltas + changes
  for (let count = 0; count < changes; count++, number++) {
    const account = number % watched
    const _id = (Math.floor(number / watched) % each) * accounts + account
    await people.updateOne({ _id }, { $set: { note: noteOf(number) } })
    await turn()
  }
  await until(() => deltas >= expected, 'a delta')
  if (deltas !== expected) throw new Error(`${deltas} deltas came where ${expected} should`)
}

async function collect(): Promise<void> {
  for (let count = 0; count < 3; count++) {
    for (let time = 0; time < 4; time++) globalThis.gc?.()
    await wait(100)
  }
}

serve({
  /** So many subscribers come: each to an account of its own, or all to one. */
  open: async ({ subscribers, distinct }: { subscribers: number; distinct: boolean }) => {
    const expected = ready + subscribers
    for (let count = 0; count < subscribers; count++) {
      await server.register({ account: distinct ? count : accounts - 1, number: count }, receive)
      if (count % 100 === 99) await until(() => ready >= expected - subscribers + count + 1, 'ready')
    }
    await until(() => ready === expected, 'ready')
    if (distinct) watched = subscribers
    return server.stats().views
  },
  /**
   * So many subscribers come at once, each to an account that nobody looked at, or all to one of these, and
   * leave again. Tells the CPU time until all had their documents, in microseconds, and the time until all
   * but 1% had them, in milliseconds.
   */
  arrive: async ({ subscribers, distinct }: { subscribers: number; distinct: boolean }) => {
    await collect()
    const times: number[] = []
    const first = newest
    newest += distinct ? subscribers : 1
    const began = performance.now()
    const before = process.cpuUsage()
    const come = (account: number) =>
      new Promise<() => void>((resolve, reject) => {
        let leave: (() => void) | undefined
        let isReady = false
        const done = () => leave && isReady && resolve(leave)
        const registered = server.register({ account }, (name) => {
          if (name !== 'ready') return
          times.push(performance.now() - began)
          isReady = true
          done()
        })
        registered.then((registration) => {
          leave = registration
          done()
        }, reject)
      })
    const leaves = await Promise.all(
      Array.from({ length: subscribers }, (_, number) => come(distinct ? first + number : first)),
    )
    const { user, system } = process.cpuUsage(before)
    for (const leave of leaves) leave()
    return { cpu: user + system, p99: times[Math.floor(0.99 * (times.length - 1))] }
  },
  /** The CPU time of a change, in microseconds. */
  change: async (changes: number) => {
    const before = process.cpuUsage()
    await change(changes)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / changes
  },
  /** Memory in use after what isn't needed was let go, in bytes: V8's heap and buffers outside of it. */
  memory: async () => {
    await collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  },
  snapshot: async (file: string) => {
    const { writeHeapSnapshot } = await import('node:v8')
    return writeHeapSnapshot(file)
  },
})
