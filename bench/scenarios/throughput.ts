import { withPair } from '../pair.ts'
import type { Scenario } from '../scenario.ts'

/** How many changes a second one process turns from its source to the socket of one client. */
export const throughput: Scenario = {
  name: 'throughput',
  title: 'Changes from source to socket, one client, 100 changes a turn (thousands a second)',
  columns: { changes: 'changes' },
  candidates: ['particle', 'better-sse', 'socket.io', 'ws'],
  base: undefined,
  rounds: { full: 3, quick: 1 },
  run: (candidate, quick) =>
    withPair(candidate, 1000, async ({ server, load, address }) => {
      await load.call('open', { ...address, clients: 1 })
      const flood = async (changes: number) => {
        const deliveries = (await load.call<number>('deliveries')) + changes
        const began = performance.now()
        const reached = load.call('reach', { deliveries, patience: 60_000 })
        await server.call('burst', { turns: changes / 100, perTurn: 100, pause: 0 })
        await reached
        // The server waits 50 ms before it starts and after it ends, and so does not count as time.
        return changes / (performance.now() - began - 100)
      }
      await flood(quick ? 2000 : 20_000)
      return { changes: await flood(quick ? 5000 : 100_000) }
    }),
  targets: [],
}
