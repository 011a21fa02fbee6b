import { withPair } from '../pair.ts'
import type { Scenario } from '../scenario.ts'

/** How long the event loop of a server stalls while a client gets all documents, and how long that takes. */
export const snapshot: Scenario = {
  name: 'snapshot',
  title: 'A snapshot of 100,000 documents (ms)',
  columns: { time: 'until the client has it', stall: 'longest stall of the event loop' },
  // Express answers with all documents as one JSON: what an application does without Particle. The others have no snapshots.
  candidates: ['express', 'particle'],
  base: undefined,
  rounds: { full: 5, quick: 1 },
  run: (candidate, quick) =>
    withPair(candidate, quick ? 10_000 : 100_000, async ({ server, load, address }) => {
      const read =
        candidate === 'particle'
          ? { ...address, until: 'event: ready' }
          : { ...address, path: '/all', until: undefined }
      // One before, so that the code is warm; with its last client gone, Particle lets go of what it read.
      await load.call('read', read)
      await server.call('watch')
      const { ms } = await load.call<{ ms: number; bytes: number }>('read', read)
      return { time: ms, stall: await server.call<number>('stall') }
    }),
  targets: [
    {
      text: 'no stall over 15 ms',
      met: (medians) => (medians.particle?.stall ?? Number.NaN) <= 15,
    },
  ],
}
