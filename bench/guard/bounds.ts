/** The ratios that a figure may come to. A ratio is what Particle takes, divided by what its floor takes. */
export interface Bound {
  title: string
  /** Names what Particle is compared with. */
  floor: string
  /** The median of ten runs on an idle machine. */
  idle: number
  /** The bound, which leaves room for a loaded machine. */
  expected: number
}

/**
 * Lists the bounds of all figures. A figure fails from {@link TOLERANCE} times `expected`. bench/README.md has
 * the runs behind the numbers, and the reasons. If you make something faster, write its new ratios here, in
 * the same commit.
 */
export const BOUNDS = {
  one: { title: 'delivery, one delta a turn', floor: 'http, one prepared buffer', idle: 0.9, expected: 1.15 },
  ten: {
    title: 'delivery, ten deltas a turn',
    floor: 'http, one prepared buffer',
    idle: 1.09,
    expected: 1.3,
  },
  change: {
    title: 'a change, 100 a turn, one client',
    floor: 'a Map and JSON.stringify',
    idle: 5.94,
    expected: 6.8,
  },
  bytes: {
    title: 'bytes of a one-field delta',
    floor: 'its operation as JSON',
    idle: 1.51,
    expected: 1.51,
  },
  connect: {
    title: 'connect and load ten documents',
    floor: 'Express, one event',
    idle: 1.39,
    expected: 1.8,
  },
  cold: {
    title: 'first snapshot of 5,000 documents',
    floor: 'Express, one JSON',
    idle: 1.89,
    expected: 2,
  },
  warm: {
    title: 'next snapshot of 5,000 documents',
    floor: 'Express, one JSON',
    idle: 0.2,
    expected: 0.25,
  },
  client: { title: 'a client applies a delta', floor: 'JSON.parse and a Map', idle: 1.92, expected: 2.05 },
} as const satisfies Record<string, Bound>

export type FigureName = keyof typeof BOUNDS

/** How far a ratio may be over the expected one. */
export const TOLERANCE = 1.15
