import { parsePosition } from '../protocol/position.ts'
import type { Start } from './connection.ts'
import { fingerprint } from './sources.ts'
import type { Claims } from './token.ts'
import type { View } from './view.ts'

/** The process that a position is held against. */
export interface Here {
  tag: string
  epoch: string
  /** The newest sequence of the log, and the highest one that it no longer keeps. */
  head: number
  floor: number
}

/** Where the process's order was when a token was sealed, as the token says it. */
export function formatSince(epoch: string, sequence: number): string {
  return `${epoch}:${sequence}`
}

/**
 * Whether and from where the position that a client presents can be resumed. A position holds only for the views that it was given for: those of the
 * token's own handshake when it was given after that, those of the `previous` token when it was given before. A client without a token has the
 * one identity that there is.
 */
export function resumeFrom(
  text: string | undefined,
  views: readonly View[],
  claims: Claims | undefined,
  here: Here,
): Start {
  if (text === undefined) return { presented: false, holds: () => false }
  const refuse = (reason: string): Start => ({ presented: true, reason, holds: () => false })
  const position = parsePosition(text)
  if (!position || position.tag !== here.tag || position.epoch !== here.epoch)
    return refuse('position-unknown')
  const { sequence } = position
  if (sequence > here.head) return refuse('position-unknown')
  if (sequence < here.floor) return refuse('history-lost')

  const [epoch, mark] = (claims?.since ?? '').split(':')
  const before = epoch === here.epoch && sequence < Number(mark)
  const given = before ? claims?.previous : claims?.views
  const now = new Map(views.map((view) => [view.root, fingerprint(view.key)]))
  // A token of another process doesn't tell on which side of it the position is: the view must have been the same on both.
  const unsure = epoch === here.epoch ? undefined : claims?.previous
  const holds = (root: string) =>
    !claims || (given?.[root] === now.get(root) && (!unsure || unsure[root] === now.get(root)))
  if (views.length > 0 && !views.some((view) => holds(view.root) && view.resumes(sequence)))
    return refuse('history-lost')
  return { presented: true, sequence, holds }
}
