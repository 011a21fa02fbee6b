import type { ChangeStreamDocument } from 'mongodb'
import { type ClusterTime, clusterTime, compareTimes } from './time.ts'
import { tokenTime } from './token.ts'

/** The first answer of a stream holds at most so many events (SecantusDB's later ones at most 200). */
const CUT_LENGTH = 101
/** A server cuts at 16 MB. What was cut earlier than at this size had an event of over 15 MB to come. */
const CUT_BYTES = 1024 * 1024

/** When an event happened; undefined for one that doesn't tell. */
export function eventTime(event: ChangeStreamDocument): ClusterTime | undefined {
  return event.clusterTime ? clusterTime(event.clusterTime) : tokenTime(event._id)
}

/**
 * How many events at a batch's begin can be told at once. The rest are those of its last cluster time, where
 * they belong together (a transaction, a write of many documents) and more of them may follow: where the
 * server may have cut the batch, or has shards, whose parts of a transaction come one by one. The next answer
 * tells, be it empty.
 */
export function tellable(
  batch: readonly ChangeStreamDocument[],
  sharded: boolean,
  sizeOf: (event: ChangeStreamDocument) => number,
): number {
  const start = lastTimeStart(batch)
  const together = batch.length - start > 1 || batch.at(-1)?.txnNumber !== undefined
  if (!together) return batch.length
  return sharded || batch.length >= CUT_LENGTH || isLarge(batch, sizeOf) ? start : batch.length
}

/** Where the events of a batch's last cluster time begin. */
export function lastTimeStart(batch: readonly ChangeStreamDocument[]): number {
  const last = batch.at(-1)
  const time = last && eventTime(last)
  let start = Math.max(0, batch.length - 1)
  while (time && start > 0 && isAt(batch[start - 1], time)) start -= 1
  return start
}

function isAt(event: ChangeStreamDocument | undefined, time: ClusterTime): boolean {
  const other = event && eventTime(event)
  return other !== undefined && compareTimes(other, time) === 0
}

function isLarge(
  batch: readonly ChangeStreamDocument[],
  sizeOf: (event: ChangeStreamDocument) => number,
): boolean {
  let bytes = 0
  for (const event of batch) {
    bytes += sizeOf(event)
    if (bytes >= CUT_BYTES) return true
  }
  return false
}
