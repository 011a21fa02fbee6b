/** What a figure may come to, as a ratio to its floor. */
export interface Bound {
  title: string
  /** What Particle is divided by. */
  floor: string
  /** The ratio of several runs. */
  expected: number
}

/**
 * The one table of bounds. A figure fails from {@link TOLERANCE} times the expected ratio: medians of runs
 * differ by 5%, so a regression of 25% is always seen, and noise is not. Who makes something faster writes
 * the new ratio here, in the same commit.
 */
export const BOUNDS = {
  one: { title: 'delivery, one delta a turn', floor: 'http, one prepared buffer', expected: 1.25 },
  ten: { title: 'delivery, ten deltas a turn', floor: 'http, one prepared buffer', expected: 1.45 },
  change: { title: 'a change, 100 a turn, one client', floor: 'a Map and JSON.stringify', expected: 7.5 },
  bytes: { title: 'bytes of a one-field delta', floor: 'its operation as JSON', expected: 1.61 },
  connect: { title: 'connect and load ten documents', floor: 'Express, one event', expected: 2.2 },
  cold: { title: 'first snapshot of 5,000 documents', floor: 'Express, one JSON', expected: 2.15 },
  warm: { title: 'next snapshot of 5,000 documents', floor: 'Express, one JSON', expected: 0.25 },
  client: { title: 'a client applies a delta', floor: 'JSON.parse and a Map', expected: 2.3 },
} as const satisfies Record<string, Bound>

export type FigureName = keyof typeof BOUNDS

/** How far a ratio may be over the expected one. */
export const TOLERANCE = 1.15
