import { PROTOCOL, type ServerEvent } from '../../protocol/messages.ts'
import { parsePoint, parsePosition } from '../../protocol/position.ts'
import type { Feed } from '../feed/feed.ts'
import type { Log } from '../feed/log.ts'
import { withTimeout } from '../support/scheduling.ts'
import type { PositionSeal } from '../tokens/position-seal.ts'
import type { Claims } from '../tokens/token.ts'
import { fingerprintsOf, rightsOf } from '../view/fingerprint.ts'
import type { View } from '../view/view.ts'
import { type Grant, isSince, momentOf, type Regrants } from './grant.ts'

type Granted = Grant & Pick<Claims, 'session'>

/** The process that a position is held against. */
export interface ResumeContext {
  admissions: { positions: Pick<PositionSeal, 'open'>; regrants: Pick<Regrants, 'momentOf'> }
  epoch: string
  log: Log
  /** The feeds that positions hold a place of, in their order. */
  feeds: readonly Feed[]
}

/** How a stream starts. */
export interface ResumePlan {
  /** A position was presented: what isn't resumed must be reset. */
  presented: boolean
  /** For each view that can go on, the sequence up to which the client holds it; undefined where none can. */
  points?: ReadonlyMap<View, number>
  /** Why the position does not hold at all. */
  reason?: string
  /** Why a view does not go on. */
  reasonFor: (view: View) => string
}

/** Why a position, or a root, is not resumed. Sent to clients: it tells nothing of the data. */
export type Reason = 'position-unknown' | 'rights-changed' | 'history-lost'

/**
 * For how long a stream may wait for a source to come to where another node had read it already, in
 * milliseconds.
 */
const POSITION_TIMEOUT_MS = 5_000
/**
 * For how long a stream may wait for a source to be there at all, in milliseconds. It gets pings meanwhile.
 */
const SOURCE_TIMEOUT_MS = 30_000

/** The event that a stream begins with. */
export function manifestOf(views: readonly View[], { points, reason }: ResumePlan): ServerEvent {
  return {
    event: 'manifest',
    data: {
      protocol: PROTOCOL,
      timestamp: new Date().toISOString(),
      resumed: points !== undefined,
      ...(reason === undefined ? {} : { reason }),
      sources: Object.fromEntries(views.map((view) => [view.root, view.manifest])),
    },
  }
}

/**
 * From where each view goes on, for a client that may present a position. A position holds only for the views
 * that it was given for: those that the client has now, those of its token, or those of the token before; and
 * not for one that was granted later. A promise where sources have to come to the position first, or to the
 * moment of the grant: it was given by another process.
 */
export function resumeFrom(
  text: string | undefined,
  views: readonly View[],
  claims: Granted | undefined,
  here: ResumeContext,
): ResumePlan | Promise<ResumePlan> {
  const behind = claims ? views.filter((view) => isBehind(view, claims)) : []
  if (behind.length === 0) return startFrom(text, views, claims, here)
  const granted = behind.map(({ root, feed }) => placeIn(claims, root, feed))
  return Promise.all(
    behind.map(({ feed }, index) => feed.reached(granted[index] ?? '', POSITION_TIMEOUT_MS)),
  ).then(() => startFrom(text, views, claims, here))
}

/**
 * Whether a source that is followed has not come to where it was when a view was granted: what it shows now,
 * the client may not see.
 */
function isBehind({ root, feed }: View, claims: Grant): boolean {
  const granted = placeIn(claims, root, feed)
  return feed.position !== undefined && granted !== '' && feed.adapter.compare(feed.position, granted) < 0
}

/** Where the store of a root was when its view was granted. */
function placeIn(claims: Grant | undefined, root: string, { index }: Feed): string {
  const moment = claims && momentOf(claims, root)
  return (moment !== undefined && index !== undefined && parsePoint(moment)?.adapters[index]) || ''
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
  const given = [now, claims?.views, claims?.previous].find(
    (each) => each !== undefined && rightsOf(each) === position.rights,
  )
  if (!given) return refused('rights-changed')
  const granted = ({ root, feed }: View) => {
    if (!claims?.since) return true
    if (claims.views[root] !== now[root] || !isSince(position, momentOf(claims, root), feed)) return false
    const again = here.admissions.regrants.momentOf(claims.session, root)
    return again === undefined || isSince(position, again, feed)
  }
  const held = views.filter((view) => given[view.root] === now[view.root] && granted(view))
  const { sequence, adapters } = position
  if (position.epoch === here.epoch) {
    if (sequence > here.log.head) return refused('position-unknown')
    return resumed(
      held,
      new Map(held.filter((view) => view.reaches(sequence)).map((view) => [view, sequence])),
    )
  }
  return locate(held, adapters, here).then((points) => resumed(held, points))
}

/** Where the positions of another process are in this one's order, by view. */
async function locate(
  views: readonly View[],
  adapters: readonly string[],
  { log, feeds }: ResumeContext,
): Promise<Map<View, number>> {
  const points = new Map<View, number>()
  const find = async (view: View) => {
    const { feed } = view
    const position = feed.index === undefined ? undefined : adapters[feed.index]
    if (
      !position ||
      feeds[feed.index ?? -1] !== feed ||
      Number.isNaN(feed.adapter.compare(position, position))
    )
      return
    // Nobody would let go of the source again: the client has left the view, or got other rights, meanwhile.
    if (view.viewers.size === 0) return
    await view.open()
    // A reset would have to wait for the same.
    await feed.present()
    if (!(await feed.reached(position, POSITION_TIMEOUT_MS))) return
    const sequence = log.find(feed, feed.index ?? 0, position)
    if (sequence !== undefined && view.reaches(sequence, position)) points.set(view, sequence)
  }
  // Which cannot be opened is not resumed, and says why when it is loaded.
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

function resumed(held: readonly View[], points: ReadonlyMap<View, number>): ResumePlan {
  const why = (view: View): Reason => (held.includes(view) ? 'history-lost' : 'rights-changed')
  if (points.size > 0) return { presented: true, points, reasonFor: why }
  return { presented: true, reason: held.length > 0 ? 'history-lost' : 'rights-changed', reasonFor: why }
}
