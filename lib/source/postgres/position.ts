/**
 * Represents a place in a database's order of changes. `at` is a WAL position (an LSN) or, with triggers, the
 * number of a commit. `ordinal` is the index of a change in that transaction. The ordinal 0 stands for
 * everything before `at`.
 */
export interface Place {
  /** Identifies the place's cluster, timeline, database and publication. */
  readonly epoch: string
  readonly at: bigint
  readonly ordinal: number
}

const POSITION = /^([0-9a-f]{12})\.([0-9a-f]{16})\.(0|[1-9]\d{0,14})$/
const LSN = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i

/** Formats a position: `<epoch>.<at as 16 hex digits>.<ordinal>`. */
export function formatPosition(epoch: string, at: bigint, ordinal = 0): string {
  return `${epoch}.${at.toString(16).padStart(16, '0')}.${ordinal}`
}

/** Parses a position; `undefined` for a malformed text. */
export function parsePosition(position: string): Place | undefined {
  const match = POSITION.exec(position)
  if (!match) return undefined
  return { epoch: match[1] ?? '', at: BigInt(`0x${match[2]}`), ordinal: Number(match[3]) }
}

/** Compares two positions: negative, zero or positive; `NaN` for a malformed position, or two epochs. */
export function comparePositions(a: string, b: string): number {
  const left = POSITION.exec(a)
  const right = POSITION.exec(b)
  if (!left || !right || left[1] !== right[1]) return Number.NaN
  const [x = '', y = ''] = [left[2], right[2]]
  // Compares texts of equal length, whose order is that of the numbers.
  if (x !== y) return x < y ? -1 : 1
  return Number(left[3]) - Number(right[3])
}

/** Parses PostgreSQL's text of an LSN to a number: `16/B374D848`. */
export function parseLsn(text: string): bigint {
  const match = LSN.exec(text)
  if (!match) throw new TypeError(`Not an LSN: ${text}`)
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}

/** Formats a number as PostgreSQL's text of an LSN. */
export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`
}
