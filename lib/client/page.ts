import type { Clock } from './transport.ts'

/** Receives the events of a page's life. */
export interface PageListener {
  /** The page is left, enters the back/forward cache, or is frozen. */
  hide(): void
  /** The page is shown or thawed again. */
  show(): void
  /** The network may have been lost or replaced. */
  doubt(): void
}

/** Stands for the window of a page, or the global scope of a worker. */
export interface Page {
  addEventListener?: (type: string, listener: () => void) => void
  removeEventListener?: (type: string, listener: () => void) => void
  document?: EventTarget & { readonly visibilityState: string }
}

/** Sets how long a page must have been hidden for its stream to be doubted, in milliseconds. */
const HIDDEN = 30_000
/** Sets how often the page looks for a sleep of the machine, in milliseconds. */
const TICK = 3000
/** Sets how late a timer must be to count as a sleep, in milliseconds. */
const SLEPT = 10_000

/**
 * Watches the page, where there is one. The streams of pages in the back/forward cache would take up the
 * browser's connections, and no event tells of a stream that died while the machine slept.
 *
 * @returns a function that ends the watch
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
      // Browsers delay the timers of a hidden page.
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
