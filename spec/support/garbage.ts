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

/** The bytes of all objects that are reachable, without those of buffers. */
export function heapHeld(): number {
  collect?.()
  collect?.()
  return process.memoryUsage().heapUsed
}
