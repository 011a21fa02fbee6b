/** A process that serves several candidates, by the names that they are started under. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Candidate, Start } from '../candidate.ts'
import { serve } from '../child.ts'
import { startMeter } from './meter.ts'

const candidates = new Map<string, Candidate>()
let end = startMeter()

function find(name: string): Candidate {
  const candidate = candidates.get(name)
  if (!candidate) throw new Error(`There is no ${name}`)
  return candidate
}

serve({
  /** Starts a candidate of a module, and tells its address. */
  start: async ({ name, module, people }: { name: string; module: string; people: number }) => {
    const { start } = (await import(module)) as { start: Start }
    const candidate = await start({ people })
    candidates.set(name, candidate)
    candidate.server.listen(0, '127.0.0.1')
    await once(candidate.server, 'listening')
    const { port } = candidate.server.address() as AddressInfo
    return { port, path: candidate.path, wire: candidate.wire }
  },
  stop: () => {
    for (const { server } of candidates.values()) server.close().closeAllConnections()
    candidates.clear()
    globalThis.gc?.()
  },
  /** Makes changes in so many turns of the event loop; tells the CPU time. */
  change: async ({ name, turns, perTurn }: { name: string; turns: number; perTurn: number }) => {
    const candidate = find(name)
    const stop = startMeter()
    for (let count = 0; count < turns; count++) {
      await candidate.change(perTurn)
      await turn()
    }
    // What is written at the end of a turn belongs to this side, too.
    for (let count = 0; count < 3; count++) await turn()
    return stop()
  },
  begin: () => {
    end = startMeter()
  },
  /** Tells the CPU time since the begin, once the server has no more connections than those that stay. */
  end: async ({ name, held }: { name: string; held: number }) => {
    const { server } = find(name)
    for (let open = Number.POSITIVE_INFINITY; open > held; await wait(1))
      open = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
    return end()
  },
})
