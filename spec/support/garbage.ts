import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Collects the garbage now, where the engine lets us. */
export const collect: (() => void) | undefined = runInNewContext('globalThis.gc')

/** The bytes of all buffers that are reachable. */
export function buffersHeld(): number {
  collect?.()
  return process.memoryUsage().arrayBuffers
}
