import type { InitialModel } from '../protocol/initial.ts'
import type { ServerEvent } from '../protocol/messages.ts'
import { type DataEvent, Moments } from './moments.ts'
import type { Notifier, Target } from './notifier.ts'
import type { Store } from './store.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { Watches } from './watches.ts'

/** Holds the parts of a live model. */
export interface LiveModelOptions {
  store: Store
  notifier: Notifier
  subscriptions: Subscriptions
  watches: Watches
  /** Notifies the listeners of the whole model. */
  notify: Target
}

/** Applies the server's events to the model, and queues the calls of the listeners that they touch. */
export class LiveModel {
  readonly #options: LiveModelOptions
  readonly #moments = new Moments()

  /** The text of the last change's time. Few read it, so that it is not parsed for each delta. */
  #timestamp: string | undefined

  constructor(options: LiveModelOptions) {
    this.#options = options
  }

  /** The time of the last change, by the server's clock. */
  get lastUpdated(): Date | undefined {
    return this.#timestamp === undefined ? undefined : new Date(this.#timestamp)
  }

  /** @throws ParticleError when the event can't be applied */
  apply(event: ServerEvent): void {
    const { store, notifier, subscriptions, watches, notify } = this.#options
    const moments = this.#moments
    const isShown = (root: string) => store.shows(root)
    switch (event.event) {
      case 'manifest': {
        const { sources, resumed, together } = event.data
        const unheld = watches.begin(event.data)
        const removed = store.begin(sources, resumed)
        for (const root of unheld) {
          // The other roots of the adapter go on before this one: they are shown without its older data.
          if (together?.some((group) => group.includes(root)) && isShown(root)) {
            store.hide(root)
            removed.push(root)
          } else store.reset(root)
        }
        this.#removed(removed, event)
        moments.begin(together, isShown)
        subscriptions.expect(sources)
        break
      }
      case 'watching': {
        const { sources, together } = event.data
        watches.change(event.data)
        moments.regroup(together, isShown)
        this.#removed(store.change(sources), event)
        subscriptions.expect(sources)
        break
      }
      case 'reached':
        notifier.flush()
        return
      case 'reset':
        moments.reset(event.data.root)
        watches.reset(event.data.root)
        store.reset(event.data.root)
        break
      case 'payload':
      case 'delta': {
        const due = moments.take(event)
        this.#show(due)
        // A delta alone changes no status. A payload of its moment may.
        if (event.event === 'delta' && due[0] === event) return
        break
      }
      default:
        this.#show(moments.end())
        if (store.settle()) notifier.add(notify, event)
        watches.complete(Object.keys(store.manifest ?? {}))
    }
    watches.review(event)
  }

  /** Shows the model of another page. Notifies the listeners later, since a constructor may have called. */
  restore({ sources, data, timestamp }: InitialModel): void {
    const { store } = this.#options
    store.begin(sources, false)
    for (const root of Object.keys(data)) {
      const payload = { root, timestamp, data: data[root] ?? [], part: 0, last: true }
      if (store.payload(payload)) queueMicrotask(() => this.#updated({ event: 'payload', data: payload }))
    }
  }

  /** Removes all roots. */
  clear(event: ServerEvent): void {
    this.#removed(this.#options.store.begin({}, false), event)
  }

  /** Applies the events of a moment, then notifies the listeners of all of them. */
  #show(events: readonly DataEvent[]): void {
    const { store } = this.#options
    const shown: DataEvent[] = []
    try {
      for (const event of events) {
        const isShown = event.event === 'payload' ? store.payload(event.data) : store.delta(event.data)
        if (isShown) shown.push(event)
      }
    } finally {
      for (const event of shown) this.#updated(event)
    }
  }

  #updated(event: DataEvent): void {
    const { notifier, subscriptions, watches, notify } = this.#options
    this.#timestamp = event.data.timestamp
    subscriptions.notify(event.data.root, event)
    notifier.add(notify, event)
    watches.changed(event)
  }

  /** Notifies the listeners of roots that have left the model. */
  #removed(roots: readonly string[], event: ServerEvent): void {
    const { notifier, subscriptions, notify } = this.#options
    for (const root of roots) subscriptions.notify(root, event)
    if (roots.length > 0) notifier.add(notify, event)
  }
}
