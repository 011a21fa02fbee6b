const MIN_DELAY_MS = 1000
const MAX_DELAY_MS = 30_000
const FIRST_DELAY_MS = 300

/**
 * Returns the delay before the next try, in milliseconds. The delay is random within a window from 1 s to an
 * end that doubles with each failed try, up to 30 s. Randomness spreads the clients of a restarted server.
 * The first try after a good stream waits at most 300 ms.
 *
 * @param attempt failed tries so far
 * @param random a number from 0 (included) to 1 (excluded)
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  if (attempt === 0) return random() * FIRST_DELAY_MS
  const window = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** attempt)
  return MIN_DELAY_MS + random() * (window - MIN_DELAY_MS)
}
