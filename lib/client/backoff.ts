const SHORTEST = 1000
const LONGEST = 30_000

/**
 * How many milliseconds to wait before the next try: spread at random over a window from 1 s to twice as much with each
 * failed try, 30 s at the most, so that the clients of a server that restarts don't all come back at once.
 *
 * @param attempt failed tries so far, from 1
 * @param random a number from 0 (included) to 1 (excluded)
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const window = Math.min(LONGEST, SHORTEST * 2 ** attempt)
  return SHORTEST + random() * (window - SHORTEST)
}
