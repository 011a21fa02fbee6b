import type { Clock } from './transport.ts'

/** What a page tells of itself. */
export interface PageListener {
  /** The page goes away, into the back/forward cache, or is frozen. */
  hide(): void
  /** It is back. */
  show(): void
  /** The network may have been away, or be another one. */
  doubt(): void
}

/** The window of a page, or the scope of a worker. */
export interface Page {
  addEventListener?: (type: string, listener: () => void) => void
  removeEventListener?: (type: string, listener: () => void) => void
  document?: EventTarget & { readonly visibilityState: string }
}

/** A page that was hidden for as long may have missed anything, in milliseconds. */
const HIDDEN = 30_000
/** How often it is looked whether the machine has slept, and how much longer than that must have gone by, in milliseconds. */
const TICK = 3000
const SLEPT = 10_000

/**
 * Listens to the page, where there is one: streams of pages in the back/forward cache would keep its connections from the pages
 * that are seen, and no event tells of a stream that died while the machine slept.
 *
 * @returns what ends that
 */
export function watchPage(listener: PageListener, clock: Clock, page: Page = globalThis): () => void {
  if (!page.addEventListener) return () => {}
  const { document } = page
  const isHidden = () => document?.visibilityState === 'hidden'
  let hiddenAt = isHidden() ? clock.now() : undefined
  let cancel = () => {}
  const tick = () => {
    const before = clock.now()
    const seen = hiddenAt === undefined
    cancel = clock.after(TICK, () => {
      // The timers of a page that is hidden are late by themselves.
      if (seen && hiddenAt === undefined && clock.now() - before > TICK + SLEPT) listener.doubt()
      tick()
    })
  }
  const hide = () => {
    cancel()
    listener.hide()
  }
  const show = () => {
    cancel()
    hiddenAt = isHidden() ? clock.now() : undefined
    listener.show()
    tick()
  }
  const turn = () => {
    const since = hiddenAt
    hiddenAt = isHidden() ? clock.now() : undefined
    if (since !== undefined && !isHidden() && clock.now() - since >= HIDDEN) listener.doubt()
  }
  const listeners: [target: Page | EventTarget | undefined, type: string, listener: () => void][] = [
    [page, 'pagehide', hide],
    [page, 'pageshow', show],
    [page, 'online', () => listener.doubt()],
    [document, 'freeze', hide],
    [document, 'resume', show],
    [document, 'visibilitychange', turn],
  ]
  for (const [target, type, listen] of listeners) target?.addEventListener?.(type, listen)
  tick()
  return () => {
    cancel()
    for (const [target, type, listen] of listeners) target?.removeEventListener?.(type, listen)
  }
}
