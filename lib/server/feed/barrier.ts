import { pause } from '../support/scheduling.ts'
import type { Feed } from './feed.ts'

/** The wait for the source's own report, before the source is asked for its position, in milliseconds. */
const MIN_WAIT_MS = 10
const MAX_WAIT_MS = 500

/**
 * Resolves after the log has all changes up to a position of any node, and they were delivered. Resolves for
 * a closed feed, which has no clients, and after a lost history, since the clients then load all documents.
 *
 * Asks the source for its position repeatedly, since a source without changes may report no progress: the
 * question makes an open adapter report its progress. A position of a node whose positions can't be compared
 * here (keyspace notifications, another epoch) is replaced by the answer, which is a later position.
 *
 * @param current whether a caller still waits
 */
export async function reach(feed: Feed, position: string, current: () => boolean): Promise<void> {
  let target: string | undefined = position
  for (let wait = MIN_WAIT_MS; current() && feed.isOpen(); wait = Math.min(wait * 2, MAX_WAIT_MS)) {
    const known = feed.position
    if (target !== undefined && known !== undefined && Number.isNaN(feed.adapter.compare(known, target)))
      target = undefined
    else if (target !== undefined && (await feed.reached(target, wait))) return
    try {
      const present = await feed.ask()
      target ??= present
    } catch {
      // Tries again. The failure of the source is reported where the source is followed.
      await pause(wait)
    }
  }
}
