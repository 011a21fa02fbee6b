/** A process that follows a database: `follower.ts <mongo|postgres|redis> <url> <case>`. */

import { setTimeout as wait } from 'node:timers/promises'
import particle from 'particle'
import { serve } from './child.ts'
import { CONNECTORS, FLOORS, type SourceName } from './databases.ts'
import { Profile } from './profile.ts'

const [name = '', url = '', what = ''] = process.argv.slice(2)
const source = name as SourceName
/** How many changes the driver got, or how many marks the subscriber. */
let seen = 0

async function serveMarks(): Promise<void> {
  const collection = await CONNECTORS[source](url)
  const manifest = { name: true, email: true, address: true, tags: true, note: true } as const
  const busy = () => ({ collection: collection('busy'), manifest })
  const server = new particle.Server({
    identityLookup: (identity) => identity,
    dataSources: {
      marks: { collection: collection('marks'), manifest: { number: true } },
      // A source with parameters is shown to those who watch it.
      ...(what === 'unwatched'
        ? { busy: { ...busy(), params: { name: 'string' as const }, criteria: { name: ':name' } } }
        : {}),
      ...(what === 'watched' ? { busy: busy() } : {}),
    },
    heartbeat: 1_800_000,
  })
  let isReady = false
  await server.register({}, (event, data) => {
    if (event === 'ready') isReady = true
    if (event === 'reset') throw new Error(`reset: ${JSON.stringify(data)}`)
    if (event === 'delta' && (data as { root: string }).root === 'marks') seen++
  })
  while (!isReady) await wait(5)
}

if (what === 'floor') await FLOORS[source](url, () => void seen++)
else await serveMarks()

let before = process.cpuUsage()
let profile: Profile | undefined

serve({
  /** Begins a measurement; tells how much was seen so far. */
  begin: async () => {
    for (let count = 0; count < 4; count++) globalThis.gc?.()
    profile = await Profile.start(`${source}.${what}`)
    before = process.cpuUsage()
    return seen
  },
  /** The CPU time since the begin, in microseconds, once so much was seen. */
  reach: async (count: number) => {
    for (const end = Date.now() + 120_000; seen < count; await wait(5))
      if (Date.now() > end) throw new Error(`${seen} of ${count} came`)
    const { user, system } = process.cpuUsage(before)
    await profile?.stop()
    return user + system
  },
})
