import { pause } from '../support/scheduling.ts'
import type { Feed } from './feed.ts'

/** Sets the wait for the source's own report, before the source is asked for its position, in milliseconds. */
const MIN_WAIT_MS = 10
const MAX_WAIT_MS = 500

/**
 * Resolves once the log has all changes up to a position of any node, and they were delivered. A feed that is
 * closed has no clients, and a feed that lost its history sends them all documents.
 *
 * A source without changes may report no progress, so the source is asked for its position, again and again:
 * the question makes an open adapter report how far it has come. A position of a node whose positions can't be
 * compared here (keyspace notifications, another epoch) is replaced by the answer, which is a later position.
 *
 * @param current whether somebody still waits
 */
export async function reach(feed: Feed, position: string, current: () => boolean): Promise<void> {
  let target: string | undefined = position
  for (let wait = MIN_WAIT_MS; current() && feed.isOpen; wait = Math.min(wait * 2, MAX_WAIT_MS)) {
    const known = feed.position
    if (target !== undefined && known !== undefined && Number.isNaN(feed.adapter.compare(known, target)))
      target = undefined
    else if (target !== undefined && (await feed.reached(target, wait))) return
    try {
      const present = await feed.ask()
      target ??= present
    } catch {
      // The source can't be reached now. Its failure is reported where it is followed.
      await pause(wait)
    }
  }
}
