/*
 * Tracks since when a client may see each root's view. A client with a new right gets the present data and
 * later changes. Positions from before that moment are refused, even those of another client that had the
 * right before. The moment stays while the same client keeps the same view.
 */
import { identityKey } from '../../policy/identity.ts'
import { type Position, parsePoint } from '../../protocol/position.ts'
import type { Feed } from '../feed/feed.ts'
import type { Claims } from '../tokens/token.ts'

/**
 * Stands for all watched roots in a grant. A token can't list those roots, since a page opens and closes them
 * all the time.
 */
export const WATCHED = '?'

/** Describes a grant, as a token seals it. */
export type Grant = Pick<Claims, 'views' | 'since' | 'previous'>

/**
 * Returns the moment since which a root is granted, as the text of a point. Returns undefined for a root
 * without a grant.
 */
export function momentOf({ since }: Grant, root: string): string | undefined {
  return Object.entries(since ?? {}).find(([, roots]) => roots.includes(root))?.[0]
}

/** Copies a grant with all views, and all watched roots, granted at one moment. */
export function grantedAt(moment: string, grant: Grant): Grant {
  return { ...grant, since: { [moment]: [...Object.keys(grant.views), WATCHED] } }
}

/** Computes the moments of views. A view of the earlier grant keeps its moment, as watched roots do. */
export function sinceOf(
  views: Claims['views'],
  before: Grant | undefined,
  moment: string,
): Record<string, string[]> {
  const roots = [...Object.keys(views), WATCHED]
  // Makes the list of a new client at its length. It lives as long as the stream.
  if (!before) return { [moment]: roots.slice() }
  const since: Record<string, string[]> = {}
  for (const root of roots) {
    const kept = before.views[root] === views[root] ? momentOf(before, root) : undefined
    const list = since[kept ?? moment] ?? []
    list.push(root)
    since[kept ?? moment] = list
  }
  return since
}

/** Limits the number of sessions whose changes of views are remembered. */
const MAX_SESSIONS = 10_000

/**
 * Remembers when the views of sessions changed during a stream. Older tokens of a session lack that change.
 * With such a token, a client without the right for a while would see the documents of that time.
 */
export class Regrants {
  /** For each session, the moments of its roots, and the last moment of any session by then. */
  readonly #sessions = new Map<string, { moments: Record<string, string>; last: string }>()
  readonly #maxRoots: number
  #last = ''
  /** The last moment that a forgotten session may have. */
  #forgotten: string | undefined

  /** @param maxRoots limits the roots of a session: more of them are recorded as {@link WATCHED} */
  constructor(maxRoots = Number.POSITIVE_INFINITY) {
    this.#maxRoots = maxRoots
  }

  /** Records new views of a session. The changed views are granted at the given moment. */
  note(session: string, before: Claims['views'], views: Claims['views'], moment: string): void {
    const changed = Object.keys(views).filter((root) => before[root] !== views[root])
    if (changed.length > 0) this.regrant(session, changed, moment)
  }

  /** Records that a session may have lacked the right to roots until the given moment. */
  regrant(session: string, roots: readonly string[], moment: string): void {
    const moments = { ...this.#sessions.get(session)?.moments }
    for (const root of roots) moments[root] = moment
    this.#last = moment
    this.#set(session, Object.keys(moments).length > this.#maxRoots ? { [WATCHED]: moment } : moments)
  }

  /** Copies the known moments of a session to another session. */
  copy(from: string, to: string): void {
    const known = this.#sessions.get(from)
    if (known) this.#set(to, known.moments)
  }

  /**
   * Returns the moment since which positions for a root's view may be valid for a session, as the text of a
   * point. Without a record this is the last moment of the forgotten sessions, as the session may be one of
   * them. Returns undefined if none was forgotten.
   */
  momentOf(session: string, root: string): string | undefined {
    const moments = this.#sessions.get(session)?.moments ?? {}
    const known = [root, WATCHED].find((each) => Object.hasOwn(moments, each))
    return known === undefined ? this.#forgotten : moments[known]
  }

  #set(session: string, moments: Record<string, string>): void {
    this.#sessions.delete(session)
    this.#sessions.set(session, { moments, last: this.#last })
    const [oldest] = this.#sessions
    if (!oldest || this.#sessions.size <= MAX_SESSIONS) return
    this.#forgotten = oldest[1].last
    this.#sessions.delete(oldest[0])
  }
}

/**
 * Checks whether two grants belong to one client: by equal identities, or by equal presented values if the
 * lookup uses nothing else. Otherwise another user could take over the grants of a token's bearer.
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
 * Checks whether a position was issued after the grant of a root's view. Compares the process's own counts
 * within one process, and the positions of the root's store.
 *
 * @param strictly refuses a position of the moment itself too
 */
export function isSince(
  position: Position,
  moment: string | undefined,
  { adapter, index }: Feed,
  strictly = false,
): boolean {
  const point = moment === undefined ? undefined : parsePoint(moment)
  if (!point) return false
  const sameProcess = point.epoch === position.epoch
  const least = strictly ? point.sequence + 1 : point.sequence
  if (sameProcess && position.sequence < least) return false
  const [then = '', since = ''] = index === undefined ? [] : [position.adapters[index], point.adapters[index]]
  const order = adapter.compare(then, since)
  if (sameProcess) return !(order < 0)
  return strictly ? order > 0 : order >= 0
}
