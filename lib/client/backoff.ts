const SHORTEST = 1000
const LONGEST = 30_000
const JITTER = 300

/**
 * How many milliseconds to wait before the next try: spread at random over a window from 1 s to twice as much with each
 * failed try, 30 s at the most, so that the clients of a server that restarts don't all come back at once. The first try after
 * a stream that was good waits no longer than 300 ms.
 *
 * @param attempt failed tries so far
 * @param random a number from 0 (included) to 1 (excluded)
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  if (attempt === 0) return random() * JITTER
  const window = Math.min(LONGEST, SHORTEST * 2 ** attempt)
  return SHORTEST + random() * (window - SHORTEST)
}
