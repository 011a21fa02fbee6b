/**
 * A point of one process's order of changes, and every adapter's own position there, so that another process
 * can find the same point. It holds nothing of a document.
 */
export interface Point {
  /** Names the process. */
  epoch: string
  /** The process's own count of changes. */
  sequence: number
  /** Each adapter's own position, in the order of the server's sources; empty where it has none yet. */
  adapters: readonly string[]
}

/** A point, and the rights under which a client holds everything up to it. */
export interface Position extends Point {
  /** Names the views (root, manifest, resolved criteria of each) that the position was given for. */
  rights: string
}

/**
 * So many characters hold a count of 10^14 changes: all counts are as long, so that a text's length says
 * nothing of them.
 */
const DIGITS = 9

/** The text of a point: what all clients that hold it share. No client ever reads it: see `PositionSeal`. */
export function formatPoint({ epoch, sequence, adapters }: Point): string {
  return `${epoch}:${sequence.toString(36).padStart(DIGITS, '0')}:${adapters.join('|')}`
}

/** The text of a position, as it is sealed: printable ASCII, no spaces. */
export function formatPosition(point: string, rights: string): string {
  return `${point}:${rights}`
}

/**
 * An `id:` that is no position: a client that comes back with it is reset. It takes back the position that
 * was given before.
 */
export const NO_POSITION = 'none'

const POINT = '([\\w-]{1,32}):([0-9a-z]{9}):([\\w.~|-]{0,2000})'
const POINT_FORM = new RegExp(`^${POINT}$`)
const POSITION_FORM = new RegExp(`^${POINT}:([\\w-]{1,32})$`)

/** The point of a text, or `undefined` when it isn't one. */
export function parsePoint(text: string): Point | undefined {
  return pointOf(POINT_FORM.exec(text))
}

/** The position of a text, or `undefined` when it isn't one. */
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
