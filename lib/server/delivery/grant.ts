/*
 * Since when a client may see each root's view. Who has just got a right is shown the present and what
 * follows: a position of before that moment is refused, though it be another client's, who had the right
 * before. As long as the same client goes on to have the same view, its moment stays.
 */
import { identityKey } from '../../policy/identity.ts'
import { type Position, parsePoint } from '../../protocol/position.ts'
import type { Feed } from '../feed/feed.ts'
import type { Claims } from '../tokens/token.ts'

/** What was granted: what a token seals of it. */
export type Grant = Pick<Claims, 'views' | 'since' | 'previous'>

/**
 * The moment from which on a grant holds for a root, as the text of a point; undefined where it isn't
 * granted.
 */
export function momentOf({ since }: Grant, root: string): string | undefined {
  return Object.entries(since ?? {}).find(([, roots]) => roots.includes(root))?.[0]
}

/** The same views, all granted at a moment. */
export function grantedAt(moment: string, grant: Grant): Grant {
  return { ...grant, since: { [moment]: Object.keys(grant.views) } }
}

/** The moments of views at a moment: those that a grant before had go on. */
export function sinceOf(
  views: Claims['views'],
  before: Grant | undefined,
  moment: string,
): Record<string, string[]> {
  const since: Record<string, string[]> = {}
  for (const [root, view] of Object.entries(views)) {
    const kept = before?.views[root] === view ? momentOf(before, root) : undefined
    const list = since[kept ?? moment] ?? []
    list.push(root)
    since[kept ?? moment] = list
  }
  return since
}

/** Of so many sessions it is kept in mind that their views became others. */
const MAX_SESSIONS = 10_000

/**
 * When the views of sessions became others in mid-stream. An older token of the session doesn't know: with
 * it, who lost a right for a while would be shown what was there meanwhile.
 */
export class Regrants {
  readonly #moments = new Map<string, Record<string, string>>()

  /** A session goes on with other views: those that are not the same are granted at a moment. */
  note(session: string, before: Claims['views'], views: Claims['views'], moment: string): void {
    const changed = Object.keys(views).filter((root) => before[root] !== views[root])
    if (changed.length === 0) return
    const moments = { ...this.#moments.get(session) }
    for (const root of changed) moments[root] = moment
    this.#moments.delete(session)
    this.#moments.set(session, moments)
    const [oldest] = this.#moments.keys()
    if (oldest !== undefined && this.#moments.size > MAX_SESSIONS) this.#moments.delete(oldest)
  }

  /** Lets another session go on from what is known of one. */
  copy(from: string, to: string): void {
    const moments = this.#moments.get(from)
    if (moments) this.#moments.set(to, moments)
  }

  /**
   * When the view of a root was granted last to a session, as the text of a point; undefined where that isn't
   * known.
   */
  momentOf(session: string, root: string): string | undefined {
    const moments = this.#moments.get(session)
    return moments && Object.hasOwn(moments, root) ? moments[root] : undefined
  }
}

/**
 * Whether two grants are one client's: what was found of it is the same, or, where the lookup goes by nothing
 * else, what it presented. Else another user could take over what was granted to the bearer of a token.
 */
export function sameClient(
  a: Pick<Claims, 'given' | 'identity'>,
  b: Pick<Claims, 'given' | 'identity'>,
  byGiven: boolean,
): boolean {
  const same = (name: 'given' | 'identity') => identityKey(a[name]) === identityKey(b[name])
  return same('identity') || (byGiven && same('given'))
}

/**
 * Whether a position was given after a root's view was granted. It is by the process's own count where both
 * are of one process, and by the position of the root's store.
 */
export function isSince(position: Position, moment: string | undefined, { adapter, index }: Feed): boolean {
  const point = moment === undefined ? undefined : parsePoint(moment)
  if (!point) return false
  const sameProcess = point.epoch === position.epoch
  if (sameProcess && position.sequence < point.sequence) return false
  const [then = '', since = ''] = index === undefined ? [] : [position.adapters[index], point.adapters[index]]
  const order = adapter.compare(then, since)
  return sameProcess ? !(order < 0) : order >= 0
}
