/** Resolves after a number of milliseconds. The timer alone doesn't keep the process alive. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** Resolves to a promise's value, or to undefined after a number of milliseconds. */
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

/** Resolves in a later turn of the event loop, so that other work can run before. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Limits the time of continuous work before other work can run, in milliseconds. */
const SLICE_MS = 4

/**
 * Creates a function that yields the event loop when a slice of time is used up. The function reads the clock
 * once in `every` calls.
 */
export function timeSlicer(every = 16): () => Promise<void> | undefined {
  let count = 0
  let began = performance.now()
  return () => {
    if (++count % every !== 0 || performance.now() - began < SLICE_MS) return undefined
    return yieldToEventLoop().then(() => {
      began = performance.now()
    })
  }
}

/** Limits the callers of a {@link turnstile} in one turn of the event loop. */
const MAX_PASSING = 32

/**
 * Creates a function that lets some callers pass at the end of each turn of the event loop, first in, first
 * out. Many that come at once would otherwise advance in step: the first ones would be done as late as the
 * last ones, and the garbage collector would copy what all of them use meanwhile.
 *
 * Callers of one turn pass together, also those that come by different sockets.
 */
export function turnstile(): () => Promise<void> {
  const waiting: (() => void)[] = []
  const letPass = () => {
    const next = waiting.splice(0, MAX_PASSING)
    if (waiting.length > 0) setImmediate(letPass)
    for (const pass of next) pass()
  }
  return () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(letPass)
    })
}

const MIN_RETRY_MS = 500
const MAX_RETRY_MS = 30_000

/**
 * Tries until an attempt succeeds or `current` returns false. Pauses double from 0.5 s up to 30 s, and
 * `failed` gets each error.
 */
export async function retryUntil(
  attempt: () => Promise<void>,
  current: () => boolean,
  failed: (error: unknown) => void,
): Promise<void> {
  for (let delay = MIN_RETRY_MS; current(); delay = Math.min(delay * 2, MAX_RETRY_MS)) {
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
