import { isoTime } from '../../model/iso-time.ts'

const STREAM_ID = /^(0|[1-9]\d{0,19})-(0|[1-9]\d{0,19})$/

/** The last time that a Date can hold, in milliseconds. */
const MAX_TIME = 8.64e15

/**
 * Compares two stream ids (`<milliseconds>-<sequence>`), which are the positions of a source with a stream;
 * `NaN` for a malformed id. Both numbers may have 64 bits.
 */
export function compareStreamIds(a: string, b: string): number {
  const [left, right] = [STREAM_ID.exec(a), STREAM_ID.exec(b)]
  if (!left || !right) return Number.NaN
  return compareDigits(left[1], right[1]) || compareDigits(left[2], right[2])
}

/** Checks for a stream id in the form that Redis returns. */
export function isStreamId(text: string): boolean {
  return STREAM_ID.test(text)
}

/** Returns the time of an entry's id as ISO 8601. */
export function streamTimestamp(id: string): string {
  const time = Number(id.slice(0, id.indexOf('-')))
  // Falls back to the present time, because an application may append under ids of its own.
  return isoTime(Math.abs(time) <= MAX_TIME ? time : Date.now())
}

function compareDigits(a = '', b = ''): number {
  if (a === b) return 0
  return a.length === b.length ? (a < b ? -1 : 1) : a.length - b.length
}
