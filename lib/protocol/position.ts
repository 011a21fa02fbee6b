/**
 * A position: a point of one process's order of changes, and every adapter's own position there, so that another process can find the
 * same point. It holds nothing of a document.
 */
export interface Position {
  /** Names the secret and the layout of adapters; positions of another tag are not comparable. */
  tag: string
  /** Names the process. */
  epoch: string
  /** The process's own count of changes. */
  sequence: number
  /** Each adapter's own position, in the order of the server's sources; empty where it has none yet. */
  adapters: readonly string[]
}

/** The text of a position, as it stands on an `id:` line: printable ASCII, no spaces. */
export function formatPosition(position: Position): string {
  return `${position.tag}:${position.epoch}:${position.sequence.toString(36)}:${position.adapters.join('|')}`
}

const FORM = /^([\w-]{1,32}):([\w-]{1,32}):([0-9a-z]{1,11}):([\w.~|-]{0,2000})$/

/** The position of a text, or `undefined` when it isn't one. */
export function parsePosition(text: string): Position | undefined {
  const match = FORM.exec(text)
  if (!match) return undefined
  const [, tag = '', epoch = '', count = '', adapters = ''] = match
  const sequence = Number.parseInt(count, 36)
  if (!Number.isSafeInteger(sequence)) return undefined
  return { tag, epoch, sequence, adapters: adapters.split('|') }
}
