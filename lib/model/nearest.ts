/**
 * Finds the known name closest to a misspelt name: the fewest letters inserted, left out, exchanged or
 * swapped, ignoring case. A name that differs in more than a third of its letters is no likely mistake.
 *
 * @returns the first of the closest names, or `undefined` without a close name
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let found: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const most = Math.floor(Math.max(name.length, candidate.length) / 3)
    // Skips the table for names of very different lengths, because a stranger's text may be long.
    if (Math.abs(name.length - candidate.length) > most) continue
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance > most || distance >= least) continue
    found = candidate
    least = distance
  }
  return found
}

/** Counts the edits from one text to another. Two swapped neighbouring letters are one edit. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current[column] = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
        swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
