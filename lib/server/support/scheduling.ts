/** Resolves after so many milliseconds; the timer alone doesn't keep the process alive. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** What a promise resolves to, or undefined where it does not within so many milliseconds. */
export async function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms).unref()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves in a later turn of the event loop, so that other work gets its turn. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Work goes on for so many milliseconds before others get their turn. */
const SLICE = 4

/** Yields the event loop whenever a slice of time is used up; looks at the clock once in so many calls. */
export function timeSlicer(every = 16): () => Promise<void> | undefined {
  let count = 0
  let began = performance.now()
  return () => {
    if (++count % every !== 0 || performance.now() - began < SLICE) return undefined
    return yieldToEventLoop().then(() => {
      began = performance.now()
    })
  }
}

const RETRY_FIRST = 500
const RETRY_LAST = 30_000

/**
 * Tries until it succeeds or is not `current` any more, with pauses of 0.5 s that double up to 30 s; each
 * failure is told.
 */
export async function retryUntil(
  attempt: () => Promise<void>,
  current: () => boolean,
  failed: (error: unknown) => void,
): Promise<void> {
  for (let delay = RETRY_FIRST; current(); delay = Math.min(delay * 2, RETRY_LAST)) {
    try {
      await attempt()
      return
    } catch (error) {
      if (!current()) return
      failed(error)
      await pause(delay)
    }
  }
}
