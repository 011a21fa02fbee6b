/*
 * Shortens and expands the data of deltas. Most of a stream is deltas, so on the wire their data is a list:
 * the root, the operations, and perhaps an object with the fields that few deltas have.
 *
 *    ["users",["set",1,"name","Ada"],["inc",1,"visits",1]]
 *    ["users",["set",2,".",{"_id":2,"name":"Ben"},0],{"timestamp":"2026-11-24T22:11:58.625Z","more":true}]
 *
 * In memory (`EventData['delta']`), a delta is an object that names each part.
 */
import { isObject } from '../model/json.ts'
import type { DocumentOperation } from '../model/operation.ts'

/** Describes the fields that few deltas have. */
export interface DeltaFacts {
  /** The time of a change that is not new. */
  timestamp?: string | undefined
  /** Whether the moment goes on. */
  more?: true | undefined
}

/** Describes a delta before it is shortened. */
export interface LongDelta extends DeltaFacts {
  root: string
  oplist: readonly DocumentOperation[]
}

/** Shortens a delta. */
export function shortDelta({ root, oplist, timestamp, more }: LongDelta): unknown[] {
  const data: unknown[] = [root]
  for (const operation of oplist) data.push(shortOperation(operation))
  if (timestamp !== undefined || more) data.push({ timestamp, more })
  return data
}

/** Shortens an operation. Leaves out its `keys`, which only the server may know. */
export function shortOperation({ operation, id, path, data, at }: DocumentOperation): unknown[] {
  if (at !== undefined) return [operation, id, path, data ?? null, at]
  return data === undefined ? [operation, id, path] : [operation, id, path, data]
}

/** Expands the data of a delta. Passes on malformed parts: the caller checks the result. */
export function longDelta(data: readonly unknown[]): Record<string, unknown> {
  const [root, ...parts] = data
  const oplist: unknown[] = []
  const long: Record<string, unknown> = { root, timestamp: undefined, oplist }
  for (const part of parts) {
    if (isObject(part)) Object.assign(long, part, { root, oplist })
    else oplist.push(longOperation(part))
  }
  return long
}

function longOperation(short: unknown): unknown {
  if (!Array.isArray(short)) return short
  const [operation, id, path, data, at] = short
  // `null` before an index means no data.
  if (at !== undefined) return data === null ? { operation, id, path, at } : { operation, id, path, data, at }
  return data === undefined ? { operation, id, path } : { operation, id, path, data }
}
