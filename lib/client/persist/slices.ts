/** Limits the time of continuous work, in milliseconds. A frame must not wait longer. */
const SLICE_MS = 8

/** Returns a function that pauses when a slice of time is used up. */
export function slicer(pause: () => Promise<void>): () => Promise<void> | undefined {
  let began = performance.now()
  return () => {
    if (performance.now() - began < SLICE_MS) return undefined
    return pause().then(() => {
      began = performance.now()
    })
  }
}

/** Lets other tasks run. */
export function yieldTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}
