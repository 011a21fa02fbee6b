import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Collects the garbage now, where the engine lets us. */
export const collect: (() => void) | undefined = runInNewContext('globalThis.gc')

/** The bytes of all buffers that are reachable. */
export function buffersHeld(): number {
  // The engine frees the buffers of one collection by the next one.
  collect?.()
  collect?.()
  return process.memoryUsage().arrayBuffers
}

/**
 * The bytes of all objects that are reachable, without those of buffers. Collects until no more is found: the
 * engine drops code that is not used only after several collections.
 */
export function heapHeld(): number {
  for (let last = Number.POSITIVE_INFINITY, steady = 0; ; ) {
    collect?.()
    const { heapUsed } = process.memoryUsage()
    steady = heapUsed < last - 10_000 ? 0 : steady + 1
    if (steady === 4) return heapUsed
    last = heapUsed
  }
}
