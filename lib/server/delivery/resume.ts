import { isoTime } from '../../model/iso-time.ts'
import { PROTOCOL, type ServerEvent } from '../../protocol/messages.ts'
import { parsePoint, parsePosition } from '../../protocol/position.ts'
import { sourceOf } from '../../protocol/watched-root.ts'
import type { SequenceOf } from '../feed/collection-entries.ts'
import type { Feed } from '../feed/feed.ts'
import type { Log } from '../feed/log.ts'
import { withTimeout } from '../support/scheduling.ts'
import type { PositionSeal } from '../tokens/position-seal.ts'
import type { Claims } from '../tokens/token.ts'
import { fingerprintsOf, rightsOf } from '../view/fingerprint.ts'
import type { View } from '../view/view.ts'
import { type Grant, isSince, momentOf, type Regrants, WATCHED } from './grant.ts'
import { togetherOf } from './moments.ts'

type Granted = Grant & Pick<Claims, 'session'>

/** Describes the process that checks a position. */
export interface ResumeContext {
  admissions: {
    positions: Pick<PositionSeal, 'open'>
    regrants: Pick<Regrants, 'momentOf'>
    /** The last moments at which sessions lacked the right to watched roots. */
    losses: Pick<Regrants, 'momentOf'>
  }
  epoch: string
  log: Log
  /**
   * Returns a function that checks whether the rights to a root have not changed since a position, not even
   * for a while. Default: no rights have changed.
   */
  rightsUnchangedSince?: (sequenceOf: SequenceOf) => (root: string) => boolean
  /** The fingerprints of the watched views that the position was given for, by root. */
  held?: Readonly<Record<string, string>>
}

/** Plans the start of a stream. */
export interface ResumePlan {
  /** Whether the client presented a position. Roots that can't resume must then be reset. */
  presented: boolean
  /** The sequence of the client's data, for each view that can resume; undefined when none can. */
  points?: ReadonlyMap<View, number>
  /** The reason why no view can resume. */
  reason?: string
  /** Returns the reason why a view can't resume; undefined for a view that the client did not have. */
  reasonFor: (view: View) => string | undefined
  /** The digest of the views that the presented position was given for. */
  rights?: string
  /** Checks whether the client watches a view's root only since the position. */
  isNew?: (view: View) => boolean
}

/**
 * Names the reason why a position or a root is not resumed. The reason is sent to clients, and reveals no
 * data.
 */
export type Reason = 'position-unknown' | 'rights-changed' | 'history-lost'

/** Limits the wait of a stream for a source to reach another node's position, in milliseconds. */
const POSITION_TIMEOUT_MS = 5_000
/** Limits the wait of a stream for a source to open, in milliseconds. The stream gets pings meanwhile. */
const SOURCE_TIMEOUT_MS = 30_000

/** Creates the first event of a stream. */
export function manifestOf(views: readonly View[], { points, reason }: ResumePlan): ServerEvent {
  const together = togetherOf(views)
  return {
    event: 'manifest',
    data: {
      protocol: PROTOCOL,
      timestamp: isoTime(Date.now()),
      resumed: points !== undefined,
      ...(reason === undefined ? {} : { reason }),
      sources: Object.fromEntries(views.map((view) => [view.root, view.filter.manifest])),
      ...(together.length > 0 ? { together } : {}),
    },
  }
}

/**
 * Plans where each view resumes, for a client with or without a position:
 *
 *    no position ----------------------------------------------------> load all roots
 *    unreadable, or of other views ----------------------------------> reset all roots, with a reason
 *    of this process: its sequence ---> views that reach back so far resume, others are reset
 *    of another process: locate() by the stores' positions ----------> the same
 *
 * A position is valid for the views that it was issued for: the client's current views, those of its token,
 * or those of the token before. A view that was granted after the position is reset. Returns a promise if
 * sources must first reach another process's position or the moment of the grant.
 */
export function resumeFrom(
  text: string | undefined,
  views: readonly View[],
  claims: Granted | undefined,
  here: ResumeContext,
): ResumePlan | Promise<ResumePlan> {
  const waits = claims ? views.flatMap((view) => reachesGrant(view, claims) ?? []) : []
  if (waits.length === 0) return startFrom(text, views, claims, here)
  return Promise.all(waits).then(() => startFrom(text, views, claims, here))
}

/**
 * Waits until a followed source has reached the moment of a view's grant. The client may not see the earlier
 * documents. Returns undefined if there is nothing to wait for.
 */
function reachesGrant({ root, feed }: View, claims: Grant): Promise<boolean> | undefined {
  const moment = momentOf(claims, root)
  const point = moment === undefined ? undefined : parsePoint(moment)
  const granted = point && positionOf(feed, point.adapters)
  if (granted === undefined || feed.position === undefined) return undefined
  return feed.adapter.compare(feed.position, granted) < 0
    ? feed.reached(granted, POSITION_TIMEOUT_MS)
    : undefined
}

/** Returns a feed's own position among those of all feeds. */
function positionOf({ index }: Feed, adapters: readonly string[]): string | undefined {
  return (index !== undefined && adapters[index]) || undefined
}

function startFrom(
  text: string | undefined,
  views: readonly View[],
  claims: Granted | undefined,
  here: ResumeContext,
): ResumePlan | Promise<ResumePlan> {
  if (text === undefined) return { presented: false, reasonFor: () => 'position-unknown' }
  const opened = here.admissions.positions.open(text)
  const position = opened === undefined ? undefined : parsePosition(opened)
  if (!position) return refused('position-unknown')

  const now = fingerprintsOf(views)
  const ofAll = fingerprintsOf(views.filter((view) => !isWatched(view)))
  const given = [ofAll, claims?.views, claims?.previous]
    .map((each) => each && { ...each, ...here.held })
    .find((each) => each !== undefined && rightsOf(each) === position.rights)
  if (!given) return refused('rights-changed')
  const granted = (view: View) => {
    if (!claims) return true
    const { root, feed } = view
    const { regrants, losses } = here.admissions
    if (isWatched(view)) {
      const lost = losses.momentOf(claims.session, root)
      if (lost !== undefined && !isSince(position, lost, feed, true)) return false
      // The position proves that its client held the root, which no token lists.
      return !claims.since || isSince(position, momentOf(claims, WATCHED), feed)
    }
    if (!claims.since) return true
    if (claims.views[root] !== now[root] || !isSince(position, momentOf(claims, root), feed)) return false
    const again = regrants.momentOf(claims.session, root)
    return again === undefined || isSince(position, again, feed)
  }
  const held = views.filter((view) => given[view.root] === now[view.root] && granted(view))
  const isNew = (view: View) => isWatched(view) && !Object.hasOwn(given, view.root)
  const { sequence, adapters } = position
  const plan = (points: ReadonlyMap<View, number>, sequenceOf: SequenceOf) => {
    const isUnchanged = here.rightsUnchangedSince?.(sequenceOf) ?? (() => true)
    const kept = held.filter(({ root }) => isUnchanged(root))
    const resuming = new Map([...points].filter(([view]) => kept.includes(view)))
    return resumed(kept, resuming, isNew, position.rights)
  }
  if (position.epoch === here.epoch) {
    if (sequence > here.log.head) return refused('position-unknown')
    const points = new Map(held.filter((view) => view.reaches(sequence)).map((view) => [view, sequence]))
    return plan(points, () => sequence)
  }
  const { log } = here
  return locate(held, adapters, log).then((points) => plan(points, (feed) => placeOf(feed, adapters, log)))
}

/** Finds the sequence of another process's position in a feed; undefined when the log has no place for it. */
function placeOf(feed: Feed, adapters: readonly string[], log: Log): number | undefined {
  const position = positionOf(feed, adapters)
  return feed.index === undefined || position === undefined ? undefined : log.find(feed, feed.index, position)
}

/** Finds the sequences of another process's positions in this process's order, by view. */
async function locate(
  views: readonly View[],
  adapters: readonly string[],
  log: Log,
): Promise<Map<View, number>> {
  const points = new Map<View, number>()
  const find = async (view: View) => {
    const { feed } = view
    const position = positionOf(feed, adapters)
    if (position === undefined || Number.isNaN(feed.adapter.compare(position, position))) return
    // Skips a view without viewers: the client has left it or got other rights meanwhile. Nothing would
    // release its source again.
    if (view.viewers.size === 0) return
    await view.open()
    // Waits for the source's past changes. A reset would wait for the same.
    await feed.present()
    if (!(await feed.reached(position, POSITION_TIMEOUT_MS))) return
    const sequence = placeOf(feed, adapters, log)
    if (sequence !== undefined && view.reaches(sequence, position)) points.set(view, sequence)
  }
  // Skips views that can't be opened. Their load reports the error.
  await Promise.all(
    views.map((view) =>
      withTimeout(
        find(view).catch(() => {}),
        SOURCE_TIMEOUT_MS,
      ),
    ),
  )
  return points
}

function refused(reason: Reason): ResumePlan {
  return { presented: true, reason, reasonFor: () => reason }
}

function resumed(
  held: readonly View[],
  points: ReadonlyMap<View, number>,
  isNew: (view: View) => boolean,
  rights: string,
): ResumePlan {
  const reasonFor = (view: View): Reason | undefined => {
    if (isNew(view)) return undefined
    return held.includes(view) ? 'history-lost' : 'rights-changed'
  }
  if (points.size > 0) return { presented: true, points, reasonFor, rights, isNew }
  return { presented: true, reason: held.length > 0 ? 'history-lost' : 'rights-changed', reasonFor }
}

/** Checks whether the client watches the view's root with parameters. */
function isWatched({ root }: View): boolean {
  return sourceOf(root) !== root
}
