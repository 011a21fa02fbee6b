import type { Document } from '../model/document.ts'
import type { ServerEvent, WireManifest } from '../protocol/messages.ts'
import type { Notifier, Target } from './notifier.ts'
import { parsePattern, touchTest, unmatched } from './pattern.ts'

/**
 * Hears of changes that touch a pattern: the root's documents as they are now, the last event that touched
 * the pattern, and all that touched it since the last call, in order.
 */
export type Listener<Data = Document[]> = (
  data: Data,
  event: ServerEvent,
  events: readonly ServerEvent[],
) => void

interface Subscription {
  pattern: string
  segments: string[]
  listener: Listener<never>
  /** Calls the listener with the documents of a root; a pattern such as `*.name` has several. */
  targets: Map<string, Target>
}

/** What subscriptions need of their client. */
export interface SubscriptionsOptions {
  notifier: Notifier
  /** The documents of a root as they are now. */
  documents: (root: string) => Document[]
  /** Calls a listener; nothing that it throws may come back. */
  call: (listener: Listener, ...args: Parameters<Listener>) => void
  /** Tells of a pattern that nothing can touch, in a sentence. */
  mistaken: (sentence: string) => void
}

/** The listeners of a client by their patterns. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions
  readonly #all = new Set<Subscription>()
  #manifest: Readonly<Record<string, WireManifest>> | undefined
  /** The mistakes that were told: each is told once. */
  readonly #mistakes = new Set<string>()

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  /** @throws ParticleError `INVALID_OPTION` when the pattern is malformed */
  add(pattern: string, listener: Listener<never>): void {
    const subscription = { pattern, segments: parsePattern(pattern), listener, targets: new Map() }
    this.#all.add(subscription)
    this.#check(subscription)
  }

  /** Ends the subscriptions of a pattern, or only those of one listener. */
  delete(pattern: string, listener?: Listener<never>): void {
    for (const subscription of this.#all) {
      if (subscription.pattern === pattern && (!listener || subscription.listener === listener)) {
        this.#all.delete(subscription)
      }
    }
  }

  /** Takes in which roots and fields there are: patterns that none of them can touch are mistakes. */
  expect(manifest: Readonly<Record<string, WireManifest>>): void {
    this.#manifest = manifest
    for (const subscription of this.#all) this.#check(subscription)
  }

  /** Keeps an event for the listeners of the patterns that it touches. */
  tell(root: string, event: ServerEvent): void {
    if (this.#all.size === 0) return
    const touched = touchTest(root, event.event === 'delta' ? event.data.oplist : undefined)
    for (const subscription of [...this.#all]) {
      if (touched(subscription.segments))
        this.#options.notifier.add(this.#targetOf(subscription, root), event)
    }
  }

  #targetOf(subscription: Subscription, root: string): Target {
    const { listener, targets } = subscription
    const { call, documents } = this.#options
    let target = targets.get(root)
    if (!target) {
      target = (event, events) => {
        // A listener that was called before may have ended this one.
        if (this.#all.has(subscription)) call(listener as Listener, documents(root), event, events)
      }
      targets.set(root, target)
    }
    return target
  }

  #check({ pattern, segments }: Subscription): void {
    const mistake = this.#manifest && unmatched(pattern, segments, this.#manifest)
    if (!mistake || this.#mistakes.has(mistake)) return
    this.#mistakes.add(mistake)
    this.#options.mistaken(mistake)
  }
}
