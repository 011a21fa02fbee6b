import type { RequestFrame } from './notifier.ts'
import type { Page } from './page.ts'
import type { Clock, Transport } from './transport.ts'

/** Replaces the client's surroundings in specs. */
export interface Internals {
  transport?: Transport
  clock?: Clock
  random?: () => number
  /** The page's address; `undefined` where there is no page. */
  base?: string | undefined
  /** The source of the page's lifecycle events. */
  page?: Page
  requestFrame?: RequestFrame
}
