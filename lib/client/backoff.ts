const SHORTEST = 1000
const LONGEST = 30_000
const JITTER = 300

/**
 * Gives the delay before the next try, in milliseconds: random within a window that begins at 1 s and
 * doubles its end with each failed try, up to 30 s, so that the clients of a restarted server do not all come
 * back at once. The first try after a stream that was good waits at most 300 ms.
 *
 * @param attempt failed tries so far
 * @param random a number from 0 (included) to 1 (excluded)
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  if (attempt === 0) return random() * JITTER
  const window = Math.min(LONGEST, SHORTEST * 2 ** attempt)
  return SHORTEST + random() * (window - SHORTEST)
}
