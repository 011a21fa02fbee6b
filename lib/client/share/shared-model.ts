import type { EventData } from '../../protocol/messages.ts'
import { isWatchedRoot, type WatchEntry } from '../../protocol/watched-root.ts'
import type { Store } from '../store.ts'
import type { StreamStart } from '../transport.ts'
import { entriesOf, type Limits, limitsOf } from '../watch-list.ts'
import type { SharedEvent } from './messages.ts'
import { type Session, targetOf } from './session.ts'
import type { ShareOptions } from './share-options.ts'

type Shape = Pick<EventData['manifest'], 'sources' | 'together'>

/** Limits the events that are kept for tabs with an earlier position. */
const MAX_RECENT = 500
/** Limits the documents of a part. */
const MAX_PART_SIZE = 500

/**
 * Follows the shared stream, and returns the events that bring a tab to its present state. Has a copy of the
 * model as soon as there is another tab. Documents that do not change are shared with the leader's own
 * client.
 */
export class SharedModel {
  position = ''
  /** The watched roots that the position is given for. */
  held: readonly WatchEntry[] = []
  /** The watched roots that the server was asked for, and those that the stream has. */
  asked: Limits = new Map()
  present: Limits = new Map()
  readonly #options: ShareOptions
  #store: Store | undefined
  #manifest: EventData['manifest'] | undefined
  #isLoading = true
  /** Whether the last event ended a moment. */
  #isWhole = true
  /** The watched roots at the last `ready`. */
  #complete: readonly WatchEntry[] = []
  /** The last events, and the position before them. */
  #recent: SharedEvent[] = []
  #before = ''

  constructor(options: ShareOptions) {
    this.#options = options
  }

  /** Whether there is a copy of the model. */
  get isShared(): boolean {
    return this.#store !== undefined
  }

  /** Whether the model is complete, as of one moment. */
  get isComplete(): boolean {
    return !this.#isLoading && this.#isWhole
  }

  /** Begins a stream. */
  begin({ position, watch, held = watch }: StreamStart): void {
    this.asked = limitsOf(watch)
    this.#isLoading = true
    this.position = position
    this.held = position ? held : []
    this.#complete = position ? watch : []
    this.#recent = []
    this.#before = position
  }

  /** Begins the copy with the documents of the leader's own client, which has the same roots until now. */
  share(): void {
    const { createStore, documents } = this.#options
    const { sources = {} } = this.#manifest ?? {}
    const store = createStore()
    store.begin(sources, false)
    for (const root of Object.keys(sources))
      store.payload({ root, data: [...documents(root)], part: 0, last: true })
    this.#store = store
  }

  /** Applies an event. Returns the event with what the other tabs must know of it. */
  take(name: string, data: string, id: string): SharedEvent {
    // Leaves the payloads of a leader that is alone to its client.
    const isSkipped = name === 'payload' && !this.#store
    const event = { name, data, id, ...(isSkipped ? {} : this.#apply(name, this.#options.parse(name, data))) }
    if (id) {
      this.position = id
      if (this.held !== this.#complete) event.held = this.held = this.#complete
    }
    this.#recent.push(event)
    if (this.#recent.length > MAX_RECENT) this.#before = this.#recent.shift()?.id ?? ''
    return event
  }

  #apply(name: string, value: object): Pick<SharedEvent, 'root' | 'group' | 'held'> {
    const { root, more } = value as { root?: string; more?: boolean }
    const store = this.#store
    let group: readonly string[] | undefined
    if (name === 'manifest') {
      const manifest = value as EventData['manifest']
      this.#manifest = manifest
      this.present = new Map([...this.asked].filter(([each]) => Object.hasOwn(manifest.sources, each)))
      store?.begin(manifest.sources, manifest.resumed)
      if (!manifest.resumed) this.position = ''
    } else if (name === 'watching') {
      const { watch, ...shape } = value as EventData['watching']
      this.present = limitsOf(watch)
      if (this.#manifest) this.#manifest = { ...this.#manifest, together: [], ...shape }
      store?.change(shape.sources)
    } else if (name === 'reset' && root !== undefined) {
      this.position = ''
      store?.reset(root)
    } else if (name === 'payload') store?.payload(value as EventData['payload'])
    else if (name === 'delta') {
      store?.delta(value as EventData['delta'])
      this.#isWhole = !more
      if (!more) group = this.#manifest?.together?.find((roots) => roots.includes(root ?? ''))
    } else if (name === 'ready') {
      store?.settle()
      this.#isWhole = true
      this.#complete = entriesOf(this.present)
    }
    if (name === 'manifest' || name === 'watching' || name === 'reset') this.#isLoading = true
    if (name === 'ready') this.#isLoading = false
    return { root, group }
  }

  /**
   * Returns the events that a tab lacks: of the roots that it has begun to watch, or, for a tab that joins,
   * all since its position, or else the whole model. The documents are those of now. They are written as JSON
   * when they are sent.
   */
  eventsFor(session: Session): Iterator<SharedEvent> {
    const { position, held } = this
    const { join, present } = session
    const target = targetOf(session, this.present)
    const shape = this.#shapeOf(target)
    const has = limitsOf(present ?? join?.held ?? [])
    const recent = present ? [] : this.#after(join?.position)
    const isHeld = (root = '') => !isWatchedRoot(root) || has.has(root)
    const lists = Object.keys(shape.sources)
      .filter((root) => !recent || !isHeld(root))
      .map((root) => [root, this.#store?.getRoot(root) ?? []] as const)
    const timestamp = new Date().toISOString()
    const manifest = { ...this.#manifest, resumed: recent !== undefined, reason: undefined, ...shape }
    return (function* () {
      yield present ? eventOf('watching', { watch: target, ...shape }) : eventOf('manifest', manifest)
      for (const event of recent ?? [])
        if (!/^(?:manifest|watching|ready)$/.test(event.name) && isHeld(event.root)) yield event
      for (const [root, list] of lists)
        for (let part = 0, last = false; !last; part++) {
          const end = (part + 1) * MAX_PART_SIZE
          last = end >= list.length
          const data = list.slice(end - MAX_PART_SIZE, end)
          yield { ...eventOf('payload', { root, timestamp, data, part, last }), root }
        }
      yield { ...eventOf('ready', { timestamp }), id: position, held }
    })()
  }

  /** Returns the events after a position. Returns undefined for a position that is too old or unknown. */
  #after(position = ''): SharedEvent[] | undefined {
    if (!position) return undefined
    const index = this.#recent.map(({ id }) => id).lastIndexOf(position)
    return index < 0 && position !== this.#before ? undefined : this.#recent.slice(index + 1)
  }

  /** Returns the manifests of the roots that a tab has, and their groups. */
  #shapeOf(target: readonly WatchEntry[]): Shape {
    const own = limitsOf(target)
    const { sources = {}, together = [] } = this.#manifest ?? {}
    const isShown = (root: string) => !isWatchedRoot(root) || own.has(root)
    return {
      sources: Object.fromEntries(Object.entries(sources).filter(([root]) => isShown(root))),
      together: together.map((roots) => roots.filter(isShown)).filter(({ length }) => length > 1),
    }
  }
}

function eventOf(name: string, data: object): SharedEvent {
  return { name, data: JSON.stringify(data), id: '' }
}
