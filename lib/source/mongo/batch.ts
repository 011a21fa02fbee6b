import type { StreamEvent } from './raw-event.ts'
import { type ClusterTime, clusterTime, compareTimes } from './time.ts'
import { tokenTime } from './token.ts'

/** The maximum length of a stream's first answer. (SecantusDB's later answers have at most 200 events.) */
const CUT_LENGTH = 101
/** Detects a cut at 16 MB: an answer that ends below this size ended before an event of over 15 MB. */
const CUT_BYTES = 1024 * 1024

/** Returns the time of an event; `undefined` for an event without a time. */
export function eventTime(event: StreamEvent): ClusterTime | undefined {
  if (event.operationType === 'raw') return event.time
  return event.clusterTime ? clusterTime(event.clusterTime) : tokenTime(event._id)
}

/**
 * Counts the events at a batch's begin that can be reported at once. Excludes the events of the last cluster
 * time, which may continue in the next answer: if the server may have cut the batch, and with shards, whose
 * parts of a transaction arrive one by one. The next answer decides, even an empty one.
 */
export function tellable(
  batch: readonly StreamEvent[],
  sharded: boolean,
  sizeOf: (event: StreamEvent) => number,
): number {
  const start = lastTimeStart(batch)
  const last = batch.at(-1)
  const isOfTransaction = last !== undefined && 'txnNumber' in last && last.txnNumber !== undefined
  const together = batch.length - start > 1 || isOfTransaction
  if (!together) return batch.length
  return sharded || batch.length >= CUT_LENGTH || isLarge(batch, sizeOf) ? start : batch.length
}

/** Finds the first event of a batch's last cluster time. */
export function lastTimeStart(batch: readonly StreamEvent[]): number {
  const last = batch.at(-1)
  const time = last && eventTime(last)
  let start = Math.max(0, batch.length - 1)
  while (time && start > 0 && isAt(batch[start - 1], time)) start -= 1
  return start
}

/** Checks that an event happened at a cluster time. */
export function isAt(event: StreamEvent | undefined, time: ClusterTime): boolean {
  const other = event && eventTime(event)
  return other !== undefined && compareTimes(other, time) === 0
}

function isLarge(batch: readonly StreamEvent[], sizeOf: (event: StreamEvent) => number): boolean {
  let bytes = 0
  for (const event of batch) {
    bytes += sizeOf(event)
    if (bytes >= CUT_BYTES) return true
  }
  return false
}
