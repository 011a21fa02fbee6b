/** Represents a place in a server's binary log. */
export interface Place {
  /** Identifies the server and its log. */
  readonly epoch: string
  /** The number in the name of the log's file. */
  readonly file: number
  /**
   * The time of the file's creation, in seconds since 1970. The numbers of files start again after a
   * `RESET MASTER`, so a number alone does not identify a file.
   */
  readonly birth: number
  /** The offset in the file. For a change, the offset at which its transaction starts. */
  readonly at: number
  /** The index of a change in its transaction. 0 means the place before all changes of the transaction. */
  readonly ordinal: number
}

const NUMBER = '(0|[1-9]\\d{0,15})'
const POSITION = new RegExp(`^([0-9a-f]{12})\\.${NUMBER}-${NUMBER}\\.${NUMBER}\\.${NUMBER}$`)

/** Formats a position: `<epoch>.<file>-<birth>.<offset>.<ordinal>`. */
export function formatPosition({ epoch, file, birth, at, ordinal }: Place): string {
  return `${epoch}.${file}-${birth}.${at}.${ordinal}`
}

/** Parses a position; `undefined` for a malformed text. */
export function parsePosition(position: string): Place | undefined {
  const match = POSITION.exec(position)
  if (!match) return undefined
  const [, epoch = '', ...numbers] = match
  const [file = 0, birth = 0, at = 0, ordinal = 0] = numbers.map(Number)
  return { epoch, file, birth, at, ordinal }
}

/**
 * Compares two positions: negative, zero or positive. Returns `NaN` for a malformed position, for two epochs,
 * and for two files that can't belong to one log, because a `RESET MASTER` lies between them.
 */
export function comparePositions(a: string, b: string): number {
  const left = parsePosition(a)
  const right = parsePosition(b)
  return left && right ? comparePlaces(left, right) : Number.NaN
}

/** Compares two places as {@link comparePositions} compares their positions. */
export function comparePlaces(a: Place, b: Place): number {
  if (a.epoch !== b.epoch) return Number.NaN
  if (a.file === b.file) {
    if (a.birth !== b.birth) return Number.NaN
    return a.at === b.at ? a.ordinal - b.ordinal : a.at - b.at
  }
  const isLater = a.file > b.file
  if (isLater ? a.birth < b.birth : a.birth > b.birth) return Number.NaN
  return isLater ? 1 : -1
}
