import { withPair } from '../pair.ts'
import type { Scenario } from '../scenario.ts'

const AT_ONCE = 40

/** What it costs to open a stream and to send its first ten documents, while one client stays. */
export const connect: Scenario = {
  name: 'connect',
  title: 'A client connects, and gets ten documents',
  columns: { cpu: 'CPU time (µs)' },
  candidates: ['express', 'particle'],
  base: 'express',
  rounds: { full: 5, quick: 1 },
  run: (candidate, quick) =>
    withPair(candidate, 10, async ({ server, load, address }) => {
      const read =
        candidate === 'particle'
          ? { ...address, until: 'event: ready' }
          : { ...address, path: '/first', until: ']}\n\n' }
      await load.call('open', { ...address, path: read.path, clients: 1 })
      const clients = quick ? 400 : 8_000
      // The first ones warm the code.
      await load.call('arrive', { ...read, clients: clients / 2, atOnce: AT_ONCE })
      const before = await server.call<number>('cpu')
      await load.call('arrive', { ...read, clients, atOnce: AT_ONCE })
      return { cpu: ((await server.call<number>('cpu')) - before) / clients }
    }),
  targets: [
    {
      text: 'at most 1.25 times Express',
      met: ({ particle, express }) => (particle?.cpu ?? Number.NaN) / (express?.cpu ?? Number.NaN) <= 1.25,
    },
  ],
}
