/**
 * Describes a point in one process's order of changes, with every adapter's own position. Other processes
 * find the same point by the adapters' positions. A point holds no data of documents.
 */
export interface Point {
  /** Names the process. */
  epoch: string
  /** The process's own number of changes. */
  sequence: number
  /**
   * The position of each adapter, in the order of the server's sources; empty for an adapter without a
   * position.
   */
  adapters: readonly string[]
}

/** Describes a point with the views of a client that has all data up to the point. */
export interface Position extends Point {
  /** Identifies the views (root, manifest, resolved criteria of each) that the position was issued for. */
  rights: string
}

/** Pads counts to a fixed length, which holds 10^14 changes. A text's length must not reveal the count. */
const DIGITS = 9

/**
 * Formats the text of a point, which all clients at the point share. No client ever reads the text: see
 * `PositionSeal`.
 */
export function formatPoint({ epoch, sequence, adapters }: Point): string {
  return `${epoch}:${sequence.toString(36).padStart(DIGITS, '0')}:${adapters.join('|')}`
}

/** Formats the text of a position before its encryption: printable ASCII without spaces. */
export function formatPosition(point: string, rights: string): string {
  return `${point}:${rights}`
}

/** Replaces the last position by an `id:` without one. A client that reconnects with this id is reset. */
export const NO_POSITION = 'none'

const POINT = '([\\w-]{1,32}):([0-9a-z]{9}):([\\w.~|-]{0,2000})'
const POINT_FORM = new RegExp(`^${POINT}$`)
const POSITION_FORM = new RegExp(`^${POINT}:([\\w-]{1,32})$`)

/** Parses the text of a point. Returns `undefined` for another text. */
export function parsePoint(text: string): Point | undefined {
  return pointOf(POINT_FORM.exec(text))
}

/** Parses the text of a position. Returns `undefined` for another text. */
export function parsePosition(text: string): Position | undefined {
  const match = POSITION_FORM.exec(text)
  const point = pointOf(match)
  return point && { ...point, rights: match?.[4] ?? '' }
}

function pointOf(match: RegExpExecArray | null): Point | undefined {
  if (!match) return undefined
  const [, epoch = '', count = '', adapters = ''] = match
  const sequence = Number.parseInt(count, 36)
  return Number.isSafeInteger(sequence) ? { epoch, sequence, adapters: adapters.split('|') } : undefined
}
