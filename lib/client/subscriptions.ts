import { isObject } from '../model/json.ts'
import { invalidOption, requireFunction } from '../model/unknown.ts'
import type { ServerEvent, WireManifest } from '../protocol/messages.ts'
import { isWatchedRoot } from '../protocol/watched-root.ts'
import { differences } from './differences.ts'
import type { AnyListener, DocumentListeners, Listener } from './listener.ts'
import type { Notifier, Target } from './notifier.ts'
import { parsePattern, touchTest, unmatched } from './pattern.ts'
import type { Store } from './store.ts'

/** Limits subscriptions to one root. Each scope has its own subscriptions. */
export interface Scope {
  readonly root: string
}

interface Subscription {
  scope: Scope | undefined
  pattern: string
  segments: string[]
  /** The given listener, by which the subscription is removed. */
  given: object
  listener: Listener
  /** Calls the listener with the documents of a root. A pattern such as `*.name` has several targets. */
  targets: Map<string, Target>
}

/** Configures subscriptions. */
export interface SubscriptionsOptions {
  notifier: Notifier
  store: Store
  /** Calls a function of the application. Errors of the function must not come back. */
  call: <A extends unknown[]>(callback: ((...args: A) => void) | undefined, ...args: A) => void
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

  /** @throws ParticleError `INVALID_OPTION` when the pattern is malformed, or no listener is given */
  add(pattern: string, given: AnyListener<never>, scope?: Scope): void {
    const { store, call } = this.#options
    requireListener('on', given)
    const segments = parsePattern(pattern)
    if (typeof given !== 'function' && !scope && /[.*]/.test(pattern) && !isWatchedRoot(pattern))
      throw invalidOption(`on("${pattern}", { added, ... }) takes the name of one root`)
    const listener =
      typeof given === 'function'
        ? (given as Listener)
        : differences(given as DocumentListeners, scope?.root ?? pattern, store, call)
    const subscription = { scope, pattern, segments, given, listener, targets: new Map() }
    this.#all.add(subscription)
    this.#check(subscription)
  }

  /**
   * Removes the subscriptions of a scope, of a pattern, or of one listener.
   *
   * @throws ParticleError `INVALID_OPTION` for anything else than a listener: a listener that is `null` by
   *   mistake must not end all others
   */
  delete(pattern?: string, given?: object, scope?: Scope): void {
    if (given !== undefined) requireListener('off', given)
    for (const each of this.#all) {
      const isMeant = each.scope === scope && (pattern === undefined || each.pattern === pattern)
      if (isMeant && (!given || each.given === given)) this.#all.delete(each)
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
    const { call, store } = this.#options
    let target = targets.get(root)
    if (!target) {
      target = (event, events) => {
        // Skips a subscription that an earlier listener has ended.
        if (this.#all.has(subscription)) call(listener, store.data[root] ?? [], event, events)
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

/** Refuses anything but a function, or an object of functions with the names of {@link DocumentListeners}. */
function requireListener(method: string, given: unknown): void {
  const ofDocuments = isObject(given) && /^(added|changed|removed|,)+$/.test(Object.keys(given).join())
  for (const each of ofDocuments ? Object.values(given) : [given])
    requireFunction(`${method}(pattern, listener): listener (or each of added, changed, removed)`, each)
}
