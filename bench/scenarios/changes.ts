import { Child } from '../child.ts'
import { SOURCES, type SourceName } from '../databases.ts'
import type { Figures, Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'
import { WRITERS } from '../writers.ts'

/**
 * The driver alone; a server without the collection that changes; a server that shows it to nobody; and one
 * that shows it to a subscriber.
 */
const CASES = ['floor', 'unserved', 'unwatched', 'watched'] as const

/** What a change of a database costs a process, by what it shows of it, beside the driver alone. */
export const changes: readonly Scenario[] = SOURCES.map((source) => ({
  name: 'changes',
  title: `CPU time of a change of ${source} (µs)`,
  columns: {
    floor: 'the driver alone',
    unserved: 'of a collection without a root',
    unwatched: 'of a root that nobody is shown',
    watched: 'shown to one subscriber',
    own: 'of which Particle takes',
  },
  candidates: ['particle'],
  base: undefined,
  rounds: { full: 1, quick: 1 },
  run: (_candidate, quick) => measure(source, quick ? 3 : 11),
  targets: [
    {
      text: 'at most 15 µs of Particle itself, with one subscriber',
      met: ({ particle }) => (particle?.own ?? Number.NaN) <= 15,
    },
    {
      text: 'at most 15 µs where nobody is shown the collection',
      met: ({ particle }) => (particle?.unserved ?? Number.NaN) <= 15,
    },
  ],
}))

/** How many changes come at once: a subscriber in process is not given more than a socket would be. */
const CHANGES = 2000

async function measure(source: SourceName, bursts: number): Promise<Figures> {
  const writer = await WRITERS[source]()
  const followers = CASES.map((name) => ({
    name,
    child: new Child('follower.ts', [source, writer.url, name], 0),
    costs: [] as number[],
    seen: 0,
  }))
  try {
    // The first burst warms up.
    for (let burst = 0; burst <= bursts; burst++) {
      for (const follower of followers) {
        follower.seen = await follower.child.call<number>('begin')
        // Stopped until all is written, so that changes come by as many as they do from a busy database.
        await follower.child.signal('SIGSTOP')
      }
      await writer.write(CHANGES)
      for (const { name, child, costs, seen } of followers) {
        await child.signal('SIGCONT')
        const cpu = await child.call<number>('reach', seen + (name === 'floor' ? CHANGES + 1 : 1))
        if (burst > 0) costs.push(cpu / CHANGES)
      }
    }
  } finally {
    await Promise.all(followers.map(({ child }) => child.end()))
    await writer.stop()
  }
  const [floor = 0, unserved = 0, unwatched = 0, watched = 0] = followers.map(({ costs }) => median(costs))
  const [bare = [], shown = []] = [followers[0]?.costs, followers[3]?.costs]
  const own = median(shown.map((cost, burst) => cost - (bare[burst] ?? Number.NaN)))
  return { floor, unserved, unwatched, watched, own }
}
