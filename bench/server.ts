/** A process that serves one candidate, or starts its program: `server.ts <name> <documents>`. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Start, StartProgram } from './candidate.ts'
import { serve } from './child.ts'
import { Profile } from './profile.ts'
import { Stalls } from './stalls.ts'

/** The pause between the turns of a program, in milliseconds. */
const PROGRAM_PAUSE_MS = 30

const [name = '', people = '10'] = process.argv.slice(2)
const { start } = (await import(`./candidates/${name}.ts`)) as { start: Start | StartProgram }
const candidate = await start({ people: Number(people) })
const program = 'program' in candidate ? candidate.program : undefined
if ('server' in candidate) {
  candidate.server.listen(0, '127.0.0.1')
  await once(candidate.server, 'listening')
}

/** The CPU time of the candidate so far, in microseconds. */
function cpu(): number {
  if (program) return program.cpu()
  const { user, system } = process.cpuUsage()
  return user + system
}

let stalls = new Stalls()

function collect(): void {
  for (let count = 0; count < 4; count++) globalThis.gc?.()
}

serve({
  address: () => ({
    port: 'server' in candidate ? (candidate.server.address() as AddressInfo).port : candidate.program.port,
    wire: candidate.wire,
    path: candidate.path,
  }),
  connections: () => ('server' in candidate ? candidate.connections() : undefined),
  cpu,
  /** Makes changes in so many turns of the event loop; tells the CPU time that it took, in microseconds. */
  burst: async ({ turns, perTurn, pause }: { turns: number; perTurn: number; pause: number }) => {
    collect()
    await wait(50)
    const profile = await Profile.start(name)
    const before = cpu()
    for (let count = 0; count < turns; count++) {
      await candidate.change(perTurn)
      await turn()
      // A program goes on with one turn while it is told of the next, and would join them.
      if (pause > 0) await wait(program ? PROGRAM_PAUSE_MS : pause)
    }
    await (program ? program.idle() : wait(50))
    const cost = cpu() - before
    await profile?.stop()
    return cost
  },
  /** Makes so many changes a second for a time, and tells how many it made and how much memory was in use at most, in bytes. */
  pour: async ({ seconds, perSecond }: { seconds: number; perSecond: number }) => {
    const began = performance.now()
    let changes = 0
    let peak = 0
    for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - began) / 1000) {
      const due = Math.floor(elapsed * perSecond) - changes
      if (due > 0) await candidate.change(due)
      changes += due
      peak = Math.max(peak, process.memoryUsage.rss())
      await wait(5)
    }
    return { changes, peak }
  },
  /** Memory after what isn't needed was let go, in bytes. */
  memory: async () => {
    for (let count = 0; count < 3; count++) {
      collect()
      await wait(100)
    }
    return process.memoryUsage().rss
  },
  /** Begins to look for stalls of the event loop. */
  watch: async () => {
    collect()
    await wait(50)
    stalls = new Stalls()
    stalls.start()
    await wait(20)
    stalls.longest = 0
  },
  /** The longest stall since, in milliseconds. */
  stall: () => stalls.stop(),
})
