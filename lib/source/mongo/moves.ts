import { eventTime, isAt } from './batch.ts'
import { bsonToJson } from './bson.ts'
import type { StreamEvent } from './raw-event.ts'

/** An event about one document. */
type KeyedEvent = StreamEvent & { documentKey: { _id: unknown } }

/**
 * Puts the delete of a document that moves to another shard before its insert there. An update of the shard
 * key is a delete on one shard and an insert on another, in one transaction. The router orders events of one
 * cluster time by the shard key, so that the insert may come first, and the document would end deleted.
 */
export function inOrderOfMoves(events: readonly StreamEvent[]): readonly StreamEvent[] {
  if (!events.some((event) => event.operationType === 'delete' && isKeyedByShard(event))) return events
  const ordered: StreamEvent[] = []
  for (let start = 0, end = 0; start < events.length; start = end) {
    end = start + 1
    const [first] = events.slice(start, end)
    const time = first && eventTime(first)
    while (time && isAt(events[end], time)) end += 1
    const run = events.slice(start, end)
    ordered.push(...(run.length > 1 ? deletedFirst(run) : run))
  }
  return ordered
}

/** Sorts the events of one cluster time: those of keys that end deleted first, each key's in their order. */
function deletedFirst(run: readonly StreamEvent[]): StreamEvent[] {
  const ends = new Map<string, string>()
  for (const event of run) if (isKeyed(event)) ends.set(keyOf(event), event.operationType)
  const endsDeleted = (event: StreamEvent) => isKeyed(event) && ends.get(keyOf(event)) === 'delete'
  return [...run.filter(endsDeleted), ...run.filter((event) => !endsDeleted(event))]
}

function keyOf({ documentKey }: KeyedEvent): string {
  return JSON.stringify(bsonToJson(documentKey))
}

function isKeyed(event: StreamEvent): event is KeyedEvent {
  return 'documentKey' in event && event.documentKey !== undefined
}

function isKeyedByShard(event: StreamEvent): boolean {
  return isKeyed(event) && Object.keys(event.documentKey).length > 1
}
