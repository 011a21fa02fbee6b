import { withPair } from '../pair.ts'
import type { Scenario } from '../scenario.ts'

const LOADS = 5

/** What it costs to load 20,000 documents compressed, one client after the other, and how many bytes travel. */
export const compression: Scenario = {
  name: 'compression',
  title: 'A client loads 20,000 documents, five one after the other',
  columns: { cpu: 'CPU time of a load (ms)', megabytes: 'MB that travel' },
  candidates: ['particle', 'particle-gzip', 'socket.io-deflate'],
  base: undefined,
  rounds: { full: 5, quick: 1 },
  run: (candidate, quick) =>
    withPair(candidate, quick ? 5_000 : 20_000, async ({ server, load, address }) => {
      const isParticle = candidate !== 'socket.io-deflate'
      // A client that stays keeps the snapshot, as in a server that is used.
      if (isParticle) await load.call('open', { ...address, clients: 1 })
      const extra = isParticle
        ? candidate === 'particle-gzip' && 'Accept-Encoding: gzip'
        : 'Sec-WebSocket-Extensions: permessage-deflate'
      const read = { ...address, extra: extra || undefined, until: isParticle ? 'event: ready' : undefined }
      await load.call('read', read)
      const before = await server.call<number>('cpu')
      let bytes = 0
      for (let count = 0; count < LOADS; count++)
        bytes += (await load.call<{ bytes: number }>('read', read)).bytes
      const cpu = (await server.call<number>('cpu')) - before
      return { cpu: cpu / LOADS / 1000, megabytes: bytes / LOADS / 1e6 }
    }),
  targets: [],
}
