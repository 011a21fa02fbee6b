import type { Clock } from './transport.ts'

/** Receives the events of a page's lifecycle. */
export interface PageListener {
  /** Handles a page that is left, frozen, or put into the back/forward cache. */
  hide(): void
  /** Handles a page that is shown or thawed again. */
  show(): void
  /** Handles a possible loss or change of the network. */
  doubt(): void
}

/** Stands for the window of a page, or the global scope of a worker. */
export interface Page {
  addEventListener?: (type: string, listener: () => void) => void
  removeEventListener?: (type: string, listener: () => void) => void
  document?: EventTarget & { readonly visibilityState: string }
}

/** Sets the minimum time a page is hidden before its stream is doubted, in milliseconds. */
const MIN_HIDDEN_MS = 30_000
/** Sets the interval of the check for a sleep of the machine, in milliseconds. */
const TICK_MS = 3000
/** Sets the minimum lateness of a timer that counts as a sleep, in milliseconds. */
const MIN_SLEEP_MS = 10_000

/**
 * Watches the page's lifecycle. The streams of pages in the back/forward cache would use up the browser's
 * connections, and no event reports a stream that died while the machine slept.
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
    cancel = clock.after(TICK_MS, () => {
      // Ignores hidden pages, because browsers delay their timers.
      if (seen && hiddenAt === undefined && clock.now() - before > TICK_MS + MIN_SLEEP_MS) listener.doubt()
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
    if (since !== undefined && !isHidden() && clock.now() - since >= MIN_HIDDEN_MS) listener.doubt()
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
