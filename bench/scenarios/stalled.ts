import { Namespace } from '../namespace.ts'
import { Pair } from '../pair.ts'
import type { Scenario } from '../scenario.ts'

const BUDGET = 64 * 1024
/** What a server keeps for clients that come back, by default. */
const REPLAY = 16 * 1024 * 1024
const MB = 2 ** 20

/**
 * How much memory a server takes for clients that stop reading while changes pour in. In a network namespace where the system's own buffers
 * are small: with Linux's usual ones, each such client first leaves megabytes there, which are not the server's.
 */
export const stalled: Scenario = {
  name: 'stalled',
  title: '10,000 clients that stop reading, 1,000 deltas a second for 20 s',
  columns: {
    memory: 'memory beyond what idle clients take, at most (MB)',
    budgets: 'the sum of the budgets: 64 KiB each, 16 MiB for the replay (MB)',
    deltas: 'deltas a second',
    left: 'clients not given up within four heartbeats',
    after: 'memory beyond idle clients, after that (MB)',
  },
  candidates: ['particle'],
  base: undefined,
  rounds: { full: 1, quick: 1 },
  unavailable: () => Namespace.unavailable(),
  run: async (candidate, quick) => {
    const clients = quick ? 300 : 10_000
    const seconds = quick ? 3 : 20
    const heartbeat = quick ? 1000 : 5000
    const buffers = '4096 16384 16384'
    const namespace = new Namespace({ 'net.ipv4.tcp_wmem': buffers, 'net.ipv4.tcp_rmem': buffers })
    try {
      process.env.BENCH_PARTICLE = JSON.stringify({ maxBufferedBytes: BUDGET, heartbeat })
      const pair = await Pair.start(candidate, 10, namespace.prefix)
      try {
        await pair.open(clients)
        const before = await pair.server.call<number>('memory')
        await pair.load.call('stop')
        const { changes, peak } = await pair.server.call<{ changes: number; peak: number }>('pour', {
          seconds,
          perSecond: 1000,
        })
        const patience = Math.max(5000, heartbeat * 2) * 2 + 1000
        await new Promise((resolve) => setTimeout(resolve, patience))
        return {
          memory: (peak - before) / MB,
          budgets: (clients * BUDGET + REPLAY) / MB,
          deltas: changes / seconds,
          left: await pair.server.call<number>('connections'),
          after: ((await pair.server.call<number>('memory')) - before) / MB,
        }
      } finally {
        await pair.end()
      }
    } finally {
      delete process.env.BENCH_PARTICLE
      namespace.remove()
    }
  },
  targets: [
    {
      text: 'no more memory than the budgets in use',
      met: ({ particle }) => (particle?.memory ?? Number.NaN) <= (particle?.budgets ?? Number.NaN),
    },
    { text: 'all are given up', met: ({ particle }) => particle?.left === 0 },
  ],
}
