import type { ClusterTime } from './time.ts'

/**
 * The ordinal that stands for "everything of that cluster time": no transaction has as many events.
 */
export const ALL = 4294967295

/** A place in a database's order of events: a cluster time, and which of that time's events. */
export interface Place {
  readonly time: ClusterTime
  readonly ordinal: number
}

const POSITION = /^(\d{1,10})\.(\d{1,10})\.(\d{1,10})$/

/** The text of a place: `<seconds>.<increment>.<ordinal>`. */
export function formatPosition(time: ClusterTime, ordinal: number): string {
  return `${time.t}.${time.i}.${ordinal}`
}

/** The place that a position's text names; `undefined` when it is malformed. */
export function parsePosition(position: string): Place | undefined {
  const match = POSITION.exec(position)
  if (!match) return undefined
  const [t, i, ordinal] = [Number(match[1]), Number(match[2]), Number(match[3])]
  if (t > ALL || i > ALL || ordinal > ALL) return undefined
  return { time: { t, i }, ordinal }
}

/** Negative, zero or positive by the order of two positions; `NaN` when one is malformed. */
export function comparePositions(a: string, b: string): number {
  const left = parsePosition(a)
  const right = parsePosition(b)
  if (!left || !right) return Number.NaN
  return left.time.t - right.time.t || left.time.i - right.time.i || left.ordinal - right.ordinal
}
