import { withPair } from '../pair.ts'
import type { Scenario } from '../scenario.ts'

/** How many changes one process turns from its source to the socket of one client in a second of CPU time. */
export const throughput: Scenario = {
  name: 'throughput',
  title: 'Changes from source to socket, one client, 100 changes a turn (thousands a second of CPU time)',
  columns: { changes: 'changes' },
  candidates: ['particle', 'better-sse', 'socket.io', 'ws', 'mercure', 'centrifugo', 'pocketbase'],
  base: undefined,
  rounds: { full: 3, quick: 1 },
  run: (candidate, quick) =>
    withPair(candidate, 1000, async ({ server, load, address }) => {
      await load.call('open', { ...address, clients: 1 })
      const flood = async (changes: number) => {
        const deliveries = (await load.call<number>('deliveries')) + changes
        const reached = load.call('reach', { deliveries, patience: 60_000 })
        const cpu = await server.call<number>('burst', { turns: changes / 100, perTurn: 100, pause: 0 })
        await reached
        return (changes / cpu) * 1000
      }
      await flood(quick ? 2000 : 20_000)
      return { changes: await flood(quick ? 5000 : 100_000) }
    }),
  targets: [],
}
