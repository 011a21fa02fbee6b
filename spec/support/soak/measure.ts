import type { EventEmitter } from 'node:events'
import { json } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { getHeapSnapshot } from 'node:v8'

/** What a process holds on to. */
export interface Holdings {
  /** Bytes of the heap after garbage collection, without V8's code, and of buffers outside of it (a median). */
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
  const buffers: number[] = []
  for (let sample = 0; sample < SAMPLES; sample++) {
    await pause(50)
    globalThis.gc?.()
    await pause(0)
    globalThis.gc?.()
    buffers.push(process.memoryUsage().arrayBuffers)
  }
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  const listeners: Record<string, number> = {}
  for (const [name, emitter] of Object.entries({ ...emitters, process } as Record<string, EventEmitter>)) {
    for (const event of emitter.eventNames())
      listeners[`${name} ${String(event)}`] = emitter.listenerCount(event)
  }
  return { heap: await heapBytes(), buffers: median(buffers), resources, listeners }
}

/** Lists the fields of a heap snapshot that are read here, as Chrome's developer tools load it. */
interface HeapSnapshot {
  snapshot: { meta: { node_fields: string[]; node_types: [string[]] } }
  /** The fields of all nodes, one after the other. */
  nodes: number[]
}

/**
 * Sums what the heap holds, but for code and what belongs to it, such as deopt data. V8 compiles more for as
 * long as the load differs, which is no leak: that was 4 of 5 MB that a node grew by in four minutes of chaos.
 */
async function heapBytes(): Promise<number> {
  const { snapshot, nodes } = (await json(getHeapSnapshot())) as HeapSnapshot
  const { node_fields: fields, node_types } = snapshot.meta
  const type = fields.indexOf('type')
  const size = fields.indexOf('self_size')
  const others = ['code', 'native'].map((name) => node_types[0].indexOf(name))
  let bytes = 0
  for (let node = 0; node < nodes.length; node += fields.length)
    if (!others.includes(nodes[node + type] ?? 0)) bytes += nodes[node + size] ?? 0
  return bytes
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
