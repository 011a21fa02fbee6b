import { Child } from '../child.ts'
import type { Scenario } from '../scenario.ts'

const ROOMS = 100

interface Measured {
  memory: number
  change: number
}

async function measure(kind: 'watched' | 'always', clients: number, changes: number): Promise<Measured> {
  const child = new Child('rooms.ts', [String(ROOMS), '10', kind], 0)
  try {
    // What the first client of each room brings with it is the view's.
    await child.call('open', ROOMS)
    const before = await child.call<number>('memory')
    const { connections, views } = await child.call<{ connections: number; views: number }>(
      'open',
      clients - ROOMS,
    )
    if (connections !== clients || views !== ROOMS) throw new Error(`${connections} clients, ${views} views`)
    const memory = ((await child.call<number>('memory')) - before) / (clients - ROOMS) / 1024
    await child.call('change', { changes, clients })
    return { memory, change: await child.call<number>('change', { changes, clients }) }
  } finally {
    await child.end()
  }
}

/** What clients that watch a room each cost, beside clients whose identity names the room. */
export const rooms: Scenario = {
  name: 'rooms',
  title: '10,000 clients in 100 rooms',
  columns: {
    watched: 'memory of a client that watches its room (KB)',
    always: 'of one whose identity names the room (KB)',
    change: 'a change for 100 clients that watch (µs of CPU time)',
    changeAlways: 'for 100 others (µs)',
  },
  candidates: ['particle'],
  base: undefined,
  rounds: { full: 3, quick: 1 },
  run: async (_candidate, quick) => {
    const [clients, changes] = quick ? [500, 100] : [10_000, 1000]
    const watched = await measure('watched', clients, changes)
    const always = await measure('always', clients, changes)
    return {
      watched: watched.memory,
      always: always.memory,
      change: watched.change,
      changeAlways: always.change,
    }
  },
  targets: [
    {
      text: 'a change costs at most 1.15 times as much as for clients whose identity names the room',
      met: ({ particle }) =>
        (particle?.change ?? Number.NaN) / (particle?.changeAlways ?? Number.NaN) <= 1.15,
    },
  ],
}
