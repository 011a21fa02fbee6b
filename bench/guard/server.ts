/** A process that serves several candidates, by the names that they are started under. */

import { EventEmitter, once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { Candidate, Start } from '../candidate.ts'
import { serve } from '../child.ts'
import { startMeter } from './meter.ts'

/** Lists the modules by name, since a bundle holds what is imported by a fixed path. */
const MODULES = {
  particle: () => import('../candidates/particle.ts'),
  express: () => import('../candidates/express.ts'),
  floor: () => import('../candidates/floor.ts'),
  plain: () => import('./plain.ts'),
} satisfies Record<string, () => Promise<{ start: Start }>>
export type ModuleName = keyof typeof MODULES

const candidates = new Map<string, Candidate>()
/** The open connections of each candidate. */
const sockets = new Map<string, Set<Socket>>()
const closings = new EventEmitter()
let end = startMeter()

function find(name: string): Candidate {
  const candidate = candidates.get(name)
  if (!candidate) throw new Error(`There is no ${name}`)
  return candidate
}

serve({
  /** Starts a candidate of a module, and tells its address. */
  start: async ({ name, module, people }: { name: string; module: ModuleName; people: number }) => {
    const { start } = await MODULES[module]()
    const candidate = await start({ people })
    candidates.set(name, candidate)
    const open = new Set<Socket>()
    sockets.set(name, open)
    candidate.server.on('connection', (socket) => {
      open.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        closings.emit('close')
      })
    })
    candidate.server.listen(0, '127.0.0.1')
    await once(candidate.server, 'listening')
    const { port } = candidate.server.address() as AddressInfo
    return { port, path: candidate.path, wire: candidate.wire }
  },
  stop: () => {
    for (const { server } of candidates.values()) {
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
    }
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
    while ((sockets.get(name)?.size ?? 0) > held) await once(closings, 'close')
    return end()
  },
})
