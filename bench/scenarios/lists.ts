import { Child } from '../child.ts'
import type { Scenario } from '../scenario.ts'

/** The size from which on the others need minutes and gigabytes. */
const HUGE = 1_000_000

/** What a change costs in a sorted list of that many documents. */
function listOf(documents: number): Scenario {
  return {
    name: 'lists',
    title: `A change of a sorted list of ${documents.toLocaleString('en')} documents (µs, median)`,
    columns: {
      move: 'move',
      set: 'set, then read a snapshot',
      insert: 'insert in the middle',
      remove: 'remove from the middle',
      two: 'two sets at once',
    },
    candidates: documents < HUGE ? ['particle', '@tanstack/db', 'rxdb'] : ['particle'],
    base: undefined,
    rounds: { full: 3, quick: 1 },
    run: async (kind, quick) => {
      const child = new Child('lists.ts', [], 1)
      try {
        return await child.call('measure', { kind, documents, seconds: quick ? 0.2 : 2 })
      } finally {
        await child.end()
      }
    },
    targets: [
      {
        text: 'every change under 200 µs',
        met: ({ particle }) => Object.values(particle ?? { none: Number.NaN }).every((time) => time < 200),
      },
    ],
  }
}

export const lists: readonly Scenario[] = [1000, 10_000, 100_000, HUGE].map(listOf)
