import { withPair } from '../pair.ts'
import { ratio, type Scenario } from '../scenario.ts'

const PER_TURN = { one: 1, ten: 10, hundred: 100 } as const

/** What deltas cost that are compressed, in CPU time and in bytes: for a group at once, or for each client. */
export const deltas: Scenario = {
  name: 'deltas',
  title: 'A delivery with compression, 200 clients: CPU time (µs), and bytes that travel',
  columns: Object.fromEntries(
    Object.keys(PER_TURN).flatMap((name) => [
      [`${name}Cpu`, `${name} a turn, µs`],
      [`${name}Bytes`, 'bytes'],
    ]),
  ),
  candidates: ['particle', 'particle-gzip', 'socket.io', 'socket.io-deflate'],
  base: undefined,
  rounds: { full: 3, quick: 1 },
  run: (candidate, quick) =>
    withPair(candidate, 1000, async ({ server, load, address }) => {
      const clients = quick ? 20 : 200
      const accepts = {
        'particle-gzip': 'Accept-Encoding: gzip',
        'socket.io-deflate': 'Sec-WebSocket-Extensions: permessage-deflate',
      }
      const extra = (accepts as Record<string, string | undefined>)[candidate]
      const path = candidate === 'socket.io-deflate' ? `${address.path}&stay=1` : address.path
      await load.call('open', { ...address, path, extra, clients })
      const figures: Record<string, number> = {}
      for (const [name, perTurn] of Object.entries(PER_TURN)) {
        const turns = Math.ceil((quick ? 20 : 300) / perTurn)
        await server.call('burst', { turns, perTurn, pause: 2 })
        // Compressed deliveries can't be counted.
        const before = await load.call<number>('settle')
        const cpu = await server.call<number>('cpu')
        await server.call('burst', { turns, perTurn, pause: 2 })
        const bytes = (await load.call<number>('settle')) - before
        const deliveries = turns * perTurn * clients
        figures[`${name}Cpu`] = ((await server.call<number>('cpu')) - cpu) / deliveries
        figures[`${name}Bytes`] = bytes / deliveries
      }
      return figures
    }),
  targets: [
    {
      text: 'at most half of the CPU time of a compressor for each client',
      met: (medians) =>
        Object.keys(PER_TURN).every(
          (name) => ratio(medians, `${name}Cpu`, 'particle-gzip', 'socket.io-deflate') <= 0.5,
        ),
    },
  ],
}
