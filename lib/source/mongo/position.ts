import type { ClusterTime } from './time.ts'

/** The ordinal of all events of a cluster time. No transaction has as many events. */
export const ALL = 4294967295

/**
 * Represents a place in a database's order of events: a cluster time, and the index of an event at that time.
 */
export interface Place {
  readonly time: ClusterTime
  readonly ordinal: number
}

const POSITION = /^(\d{1,10})\.(\d{1,10})\.(\d{1,10})$/

/** Formats a position: `<seconds>.<increment>.<ordinal>`. */
export function formatPosition(time: ClusterTime, ordinal: number): string {
  return `${time.t}.${time.i}.${ordinal}`
}

/** Parses a position; `undefined` for a malformed text. */
export function parsePosition(position: string): Place | undefined {
  const match = POSITION.exec(position)
  if (!match) return undefined
  const [t, i, ordinal] = [Number(match[1]), Number(match[2]), Number(match[3])]
  if (t > ALL || i > ALL || ordinal > ALL) return undefined
  return { time: { t, i }, ordinal }
}

/** Compares two positions: negative, zero or positive; `NaN` for a malformed position. */
export function comparePositions(a: string, b: string): number {
  const left = parsePosition(a)
  const right = parsePosition(b)
  return left && right ? comparePlaces(left, right) : Number.NaN
}

/** Compares two places: negative, zero or positive. */
export function comparePlaces(a: Place, b: Place): number {
  return a.time.t - b.time.t || a.time.i - b.time.i || a.ordinal - b.ordinal
}
