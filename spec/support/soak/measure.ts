import type { EventEmitter } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { getHeapCodeStatistics } from 'node:v8'

/** What a process holds on to. */
export interface Holdings {
  /** Bytes of the heap after garbage collection, without V8's code, and of buffers outside of it: medians. */
  heap: number
  buffers: number
  /** Timers, sockets and the like, by kind. */
  resources: Record<string, number>
  /** Listeners on what outlives clients, by emitter and event. */
  listeners: Record<string, number>
}

const SAMPLES = 9

/** Measures this process, which must run with --expose-gc. */
export async function measure(emitters: Record<string, EventEmitter>): Promise<Holdings> {
  const heaps: number[] = []
  const buffers: number[] = []
  for (let sample = 0; sample < SAMPLES; sample++) {
    await pause(50)
    globalThis.gc?.()
    await pause(0)
    globalThis.gc?.()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    heaps.push(heapUsed - codeBytes())
    buffers.push(arrayBuffers)
  }
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  const listeners: Record<string, number> = {}
  for (const [name, emitter] of Object.entries({ ...emitters, process } as Record<string, EventEmitter>)) {
    for (const event of emitter.eventNames())
      listeners[`${name} ${String(event)}`] = emitter.listenerCount(event)
  }
  return { heap: median(heaps), buffers: median(buffers), resources, listeners }
}

/** Counts the bytes of bytecode and compiled code. V8 compiles for as long as load differs: no leak of ours. */
function codeBytes(): number {
  const { code_and_metadata_size, bytecode_and_metadata_size } = getHeapCodeStatistics()
  return code_and_metadata_size + bytecode_and_metadata_size
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
