import type { EventData } from '../../protocol/messages.ts'
import { isWatchedRoot, type WatchEntry } from '../../protocol/watched-root.ts'
import type { Sink, StreamStart } from '../transport.ts'
import { limitsOf } from '../watch-list.ts'
import type { SharedEvent } from './messages.ts'

/** Holds the events that one tab gets at a number. */
interface Part {
  readonly events: SharedEvent[]
  first: boolean
  complete: boolean
}

/**
 * Brings the events of a leader into their order, and passes those of the tab's own roots on. The leader
 * numbers the events, because they arrive over two channels.
 */
export class Inbox {
  /** The last position that was passed on. */
  position: string
  /** The watched roots that the position was given for. */
  held: readonly WatchEntry[]
  readonly #tab: string
  readonly #sink: Sink
  readonly #wants: (root: string) => boolean
  /** The number of the next event; `undefined` until the leader has said where the tab begins. */
  #next: number | undefined
  /** The events for all tabs by their numbers, or the tab that gets the events of a number. */
  readonly #events = new Map<number, SharedEvent | string>()
  readonly #parts = new Map<number, Part>()
  /** Whether the last event carried a position. */
  #isWhole = false
  /** The manifests of the tab's roots, as JSON. */
  #shape = ''
  #roots: readonly string[]

  /** @param wants checks whether the tab watches a root, or asks for it */
  constructor(
    tab: string,
    { position, watch, held }: StreamStart,
    sink: Sink,
    wants: (root: string) => boolean,
  ) {
    this.#tab = tab
    this.#sink = sink
    this.#wants = wants
    this.position = position
    this.held = position ? (held ?? watch) : []
    const had = limitsOf(this.held)
    this.#roots = [...limitsOf(watch).keys()].filter((root) => had.has(root))
  }

  /** Checks whether the tab has a root. */
  has(root: string): boolean {
    return this.#roots.includes(root)
  }

  /** Whether the leader has said where the tab begins. */
  get attached(): boolean {
    return this.#next !== undefined
  }

  /** Begins with a number, or with the number that the next leader says. */
  attach(next?: number): void {
    this.#events.clear()
    this.#parts.clear()
    this.#next = next
  }

  /** Takes an event for all tabs, or the tab that gets the events of the number. */
  take(number: number, event: SharedEvent | string): void {
    this.#events.set(number, event)
    this.#flush()
  }

  /** Takes a part for this tab, or the end of the parts of a number. */
  takePart(number: number, event: SharedEvent | undefined, first: boolean): void {
    const part = this.#parts.get(number) ?? { events: [], first, complete: false }
    this.#parts.set(number, part)
    if (event) part.events.push(event)
    else {
      part.complete = true
      this.#flush()
    }
  }

  #flush(): void {
    if (this.#next === undefined) {
      const start = [...this.#parts].find(([, { first, complete }]) => first && complete)
      if (!start) return
      this.#next = start[0]
      for (const number of this.#events.keys()) if (number < this.#next) this.#events.delete(number)
      this.#sink.opened()
    }
    for (;;) {
      const number: number | undefined = this.#next
      if (number === undefined) return
      const part = this.#parts.get(number)
      const event = this.#events.get(number)
      if (!part?.complete && (event === undefined || event === this.#tab)) return
      this.#next = number + 1
      this.#events.delete(number)
      this.#parts.delete(number)
      if (part) for (const each of part.events) this.pass(each)
      else if (typeof event === 'object') this.pass(event)
    }
  }

  /** Passes an event on. Keeps the position of an event that is about a root of other tabs. */
  pass(event: SharedEvent): void {
    const { name, data, id, root, group, held } = event
    let isPassed = true
    if (name === 'manifest' || name === 'watching') isPassed = this.#change(name, JSON.parse(data))
    else if (root !== undefined && isWatchedRoot(root))
      isPassed = this.#roots.includes(root) || (name === 'error' && this.#wants(root))
    if (name === 'reset' && isPassed) this.position = ''
    if (isPassed) this.#sink.event(name, data, id)
    else {
      // Ends the moment of the tab's own roots, whose last change is one of another root. A delta of a root
      // that the tab does not have brings the position alone.
      const own = group?.find((each) => this.#roots.includes(each))
      if (own || id) this.#sink.event('delta', JSON.stringify([own ?? root ?? name]), id)
    }
    if (held) this.held = held
    if (id) this.position = id
    if (id || name === 'payload' || name === 'delta' || name === 'reset') this.#isWhole = id !== ''
  }

  /**
   * Notes the roots of the tab. Returns whether the event must be passed on: a manifest that continues the
   * stream of an earlier leader says nothing new.
   */
  #change(name: string, data: EventData['manifest'] | EventData['watching']): boolean {
    const { sources, together } = data
    const shape = JSON.stringify([sources, together ?? []])
    const isResumed = 'resumed' in data && data.resumed
    const isKnown = isResumed && this.#isWhole && shape === this.#shape
    if (name === 'manifest' && !isResumed) this.position = ''
    this.#shape = shape
    this.#roots = Object.keys(sources)
    return !isKnown
  }
}
