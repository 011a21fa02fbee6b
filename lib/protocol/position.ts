/**
 * A point of one process's order of changes, and every adapter's own position there, so that another process can find the same point. It holds
 * nothing of a document.
 */
export interface Point {
  /** Names the secret and the adapters; points of another tag are not comparable. */
  tag: string
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

/** The text of a point: what all clients that hold it share. */
export function formatPoint(point: Point): string {
  return `${point.tag}:${point.epoch}:${point.sequence.toString(36)}:${point.adapters.join('|')}`
}

/** The text of a position, as it stands on an `id:` line: printable ASCII, no spaces. */
export function formatPosition(point: string, rights: string): string {
  return `${point}:${rights}`
}

/** An `id:` that is no position: a client that comes back with it is reset. It takes back the position that was given before. */
export const NO_POSITION = 'none'

const FORM = /^([\w-]{1,32}):([\w-]{1,32}):([0-9a-z]{1,11}):([\w.~|-]{0,2000}):([\w-]{1,32})$/

/** The position of a text, or `undefined` when it isn't one. */
export function parsePosition(text: string): Position | undefined {
  const match = FORM.exec(text)
  if (!match) return undefined
  const [, tag = '', epoch = '', count = '', adapters = '', rights = ''] = match
  const sequence = Number.parseInt(count, 36)
  if (!Number.isSafeInteger(sequence)) return undefined
  return { tag, epoch, sequence, adapters: adapters.split('|'), rights }
}
