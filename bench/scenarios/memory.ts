import { withPair } from '../pair.ts'
import { ratio, type Scenario } from '../scenario.ts'

/** What an idle client costs the server's process, in memory. */
export const memory: Scenario = {
  name: 'memory',
  title: 'Memory of an idle client, 10,000 clients (KB)',
  columns: { rss: 'resident memory' },
  candidates: ['express', 'particle', 'better-sse', 'socket.io', 'ws'],
  base: 'express',
  rounds: { full: 3, quick: 1 },
  run: (candidate, quick) =>
    withPair(candidate, 10, async (pair) => {
      const clients = quick ? 1000 : 10_000
      // What the first clients bring with them is not theirs: code, and what it needs once.
      await pair.open(20)
      const before = await pair.server.call<number>('memory')
      await pair.load.call('open', { ...pair.address, clients })
      const after = await pair.server.call<number>('memory')
      const connections = await pair.server.call<number>('connections')
      if (connections !== clients + 20) throw new Error(`The server has ${connections} clients`)
      return { rss: (after - before) / clients / 1024 }
    }),
  targets: [
    {
      text: 'at most 1.15 times bare Express with an open response each',
      met: (medians) => ratio(medians, 'rss', 'particle', 'express') <= 1.15,
    },
  ],
}
