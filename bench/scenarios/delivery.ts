import { withPair } from '../pair.ts'
import { ratio, type Scenario } from '../scenario.ts'

const PEERS = ['better-sse', 'socket.io', 'ws'] as const
const PROGRAMS = ['mercure', 'centrifugo', 'pocketbase'] as const

/** What a delivery costs the server's process, in CPU time. */
export const delivery: Scenario = {
  name: 'delivery',
  title: 'CPU time of a delivery, 1,000 clients (µs)',
  columns: { one: 'one delta a turn', ten: 'ten deltas a turn' },
  candidates: ['floor', 'particle', 'particle-http2', ...PEERS, ...PROGRAMS],
  base: 'floor',
  rounds: { full: 5, quick: 1 },
  run: (candidate, quick) =>
    withPair(candidate, 10, async ({ server, load, ...pair }) => {
      const clients = quick ? 100 : 1000
      const { address } = pair
      // Compiles what a change needs, with few clients: of 600 changes after 600, compiling took a fifth.
      const early = clients / 50
      await load.call('open', { ...address, clients: early })
      const turns = quick ? 30 : 400
      await server.call('burst', { turns, perTurn: 10, pause: 2 })
      await load.call('reach', { deliveries: turns * 10 * early, patience: 60_000 })
      await load.call('open', { ...address, clients: clients - early })
      const measure = async (perTurn: number, turns: number, warmUp: number) => {
        let expected = (await load.call<number>('deliveries')) + warmUp * perTurn * clients
        await server.call('burst', { turns: warmUp, perTurn, pause: 2 })
        await load.call('reach', { deliveries: expected, patience: 60_000 })
        expected += turns * perTurn * clients
        const cpu = await server.call<number>('burst', { turns, perTurn, pause: 2 })
        await load.call('reach', { deliveries: expected, patience: 60_000 })
        return cpu / (turns * perTurn * clients)
      }
      return {
        one: await measure(1, quick ? 30 : 200, quick ? 10 : 100),
        ten: await measure(10, quick ? 10 : 60, quick ? 5 : 30),
      }
    }),
  targets: [
    {
      text: 'at most 1.15 times the floor with one delta a turn',
      met: (medians) => ratio(medians, 'one', 'particle', 'floor') <= 1.15,
    },
    {
      text: 'at most 1.3 times the floor with ten deltas a turn',
      met: (medians) => ratio(medians, 'ten', 'particle', 'floor') <= 1.3,
    },
    {
      text: 'less than every peer',
      met: (medians) =>
        [...PEERS, ...PROGRAMS]
          .filter((peer) => medians[peer])
          .every((peer) => ['one', 'ten'].every((column) => ratio(medians, column, 'particle', peer) < 1)),
    },
  ],
}
