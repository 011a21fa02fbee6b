/** A process with a server of rooms, and clients that look at one each: `rooms.ts <rooms> <documents of each> <watched|always>`. */

import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import particle from 'particle'
import { memory } from 'particle/memory'
import { serve } from './child.ts'
import { noteOf, personOf } from './event.ts'

const [rooms = 0, each = 0] = process.argv.slice(2).map(Number)
const isWatched = process.argv[4] === 'watched'

const people = memory().collection('people')
await people.insertMany(
  Array.from({ length: rooms * each }, (_, id) => ({ ...personOf(id), room: id % rooms })),
)
const manifest = { name: true, email: true, note: true } as const
const always = { collection: people, manifest, criteria: { room: '@room' } }
const watched = {
  collection: people,
  manifest,
  params: { room: 'number' as const },
  criteria: { room: ':room' },
}
const server = new particle.Server({
  identityLookup: (identity: object) => identity,
  dataSources: { people: isWatched ? watched : always },
  heartbeat: 1_800_000,
})

let ready = 0
let deltas = 0
let number = 0

/** A client that takes all that it is sent, and counts. */
const sink = {
  write(bytes: Buffer): boolean {
    const text = bytes.toString('latin1')
    ready += text.split('event: ready').length - 1
    deltas += text.split('event: delta').length - 1
    return true
  },
  buffered: () => 0,
  onDrain: (listener: () => void) => void setImmediate(listener),
  end() {},
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 300_000; !condition(); await wait(2))
    if (Date.now() > end) throw new Error(`${what} did not come in time`)
}

serve({
  /** So many clients come, one room after the other. */
  open: async (clients: number) => {
    const expected = ready + clients
    for (let count = 0; count < clients; count++) {
      const room = count % rooms
      const { token } = await server.grant({ room, client: count }, undefined, undefined)
      const watch = isWatched ? [`people?{"room":${room}}`] : []
      await server.openStream(token, [], { position: undefined, watch, reached: [], open: () => sink })
      if (count % 100 === 99) await until(() => ready >= expected - clients + count + 1, 'ready')
    }
    await until(() => ready >= expected, 'ready')
    return server.stats()
  },
  /** The CPU time of a change that all clients of a room get, in microseconds. */
  change: async ({ changes, clients }: { changes: number; clients: number }) => {
    const expected = deltas + (changes * clients) / rooms
    const before = process.cpuUsage()
    for (let count = 0; count < changes; count++, number++) {
      await people.updateOne({ _id: number % (rooms * each) }, { $set: { note: noteOf(number) } })
      await turn()
    }
    await until(() => deltas >= expected, 'a delta')
    const { user, system } = process.cpuUsage(before)
    return (user + system) / changes
  },
  /** Memory in use after what isn't needed was let go, in bytes. */
  memory: async () => {
    for (let count = 0; count < 12; count++) {
      globalThis.gc?.()
      if (count % 4 === 3) await wait(100)
    }
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  },
})
