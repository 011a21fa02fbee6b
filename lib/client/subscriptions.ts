import type { Document } from '../model/document.ts'
import type { ServerEvent, WireManifest } from '../protocol/messages.ts'
import type { Notifier, Target } from './notifier.ts'
import { parsePattern, touchTest, unmatched } from './pattern.ts'

/**
 * Receives changes that touch a pattern: the root's current documents, the last event that touched the
 * pattern, and all such events since the last call, in order.
 */
export type Listener<Data = Document[]> = (
  data: Data,
  event: ServerEvent,
  events: readonly ServerEvent[],
) => void

/** Limits subscriptions to one root. Each scope has its own subscriptions. */
export interface Scope {
  readonly root: string
}

interface Subscription {
  scope: Scope | undefined
  pattern: string
  segments: string[]
  listener: Listener<never>
  /** Calls the listener with the documents of a root. A pattern such as `*.name` has several targets. */
  targets: Map<string, Target>
}

/** Configures subscriptions. */
export interface SubscriptionsOptions {
  notifier: Notifier
  /** Returns the current documents of a root. */
  documents: (root: string) => Document[]
  /** Calls a listener. Errors of the listener must not come back. */
  call: (listener: Listener, ...args: Parameters<Listener>) => void
  /** Reports, in a sentence, a pattern that nothing can touch. */
  reportMistake: (sentence: string) => void
}

/** Holds a client's listeners by their patterns. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions
  readonly #all = new Set<Subscription>()
  #manifest: Readonly<Record<string, WireManifest>> | undefined
  /** The reported mistakes. Each mistake is reported once. */
  readonly #mistakes = new Set<string>()

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  /** @throws ParticleError `INVALID_OPTION` when the pattern is malformed */
  add(pattern: string, listener: Listener<never>, scope?: Scope): void {
    const subscription = { scope, pattern, segments: parsePattern(pattern), listener, targets: new Map() }
    this.#all.add(subscription)
    this.#check(subscription)
  }

  /** Removes the subscriptions of a scope, of a pattern, or of one listener. */
  delete(pattern?: string, listener?: Listener<never>, scope?: Scope): void {
    for (const each of this.#all) {
      const isMeant = each.scope === scope && (pattern === undefined || each.pattern === pattern)
      if (isMeant && (!listener || each.listener === listener)) this.#all.delete(each)
    }
  }

  /** Sets the visible roots and fields. Reports patterns that none of them can touch. */
  expect(manifest: Readonly<Record<string, WireManifest>>): void {
    this.#manifest = manifest
    for (const subscription of this.#all) {
      this.#check(subscription)
      // Forgets roots that have gone, since a page may watch thousands of roots one after the other.
      for (const root of subscription.targets.keys())
        if (!Object.hasOwn(manifest, root)) subscription.targets.delete(root)
    }
  }

  /** Queues an event for the listeners of the patterns that the event touches. */
  notify(root: string, event: ServerEvent): void {
    if (this.#all.size === 0) return
    const touched = touchTest(root, event.event === 'delta' ? event.data.oplist : undefined)
    for (const subscription of [...this.#all]) {
      const { scope, segments } = subscription
      if ((!scope || scope.root === root) && touched(segments))
        this.#options.notifier.add(this.#targetOf(subscription, root), event)
    }
  }

  #targetOf(subscription: Subscription, root: string): Target {
    const { listener, targets } = subscription
    const { call, documents } = this.#options
    let target = targets.get(root)
    if (!target) {
      target = (event, events) => {
        // Skips a subscription that an earlier listener has ended.
        if (this.#all.has(subscription)) call(listener as Listener, documents(root), event, events)
      }
      targets.set(root, target)
    }
    return target
  }

  #check({ scope, pattern, segments }: Subscription): void {
    let roots = this.#manifest
    if (roots && scope) {
      const fields = roots[scope.root]
      roots = fields && { [scope.root]: fields }
    }
    const mistake = roots && unmatched(pattern, segments, roots)
    if (!mistake || this.#mistakes.has(mistake)) return
    this.#mistakes.add(mistake)
    this.#options.reportMistake(mistake)
  }
}
