import { ParticleError } from '../../errors.ts'
import type { EventData } from '../../protocol/messages.ts'
import { isWatchedRoot, type WatchEntry } from '../../protocol/watched-root.ts'
import type { SessionAnswer, StreamStart } from '../transport.ts'
import { entriesOf, type Limits, limitsOf } from '../watch-list.ts'
import type { Inbox } from './inbox.ts'
import type { JoinMessage, Message, SharedEvent } from './messages.ts'
import { change, Recent, type Session, targetOf, unionOf } from './sessions.ts'
import type { ShareOptions } from './share.ts'

/** Limits the events that are kept for tabs with an earlier position, in characters. */
const MAX_RECENT_LENGTH = 256_000
/** Limits the documents of a part. */
const MAX_PART_SIZE = 500
/** Counts the requests that may reach other nodes than the stream's before the stream is replaced. */
const TRIES = 4
/** Sets the delay before a failed request is made again, in milliseconds. */
const RETRY_MS = 5000

/** Holds the parts of a hub. */
export interface HubOptions extends ShareOptions {
  /** The leader's own tab. */
  own: Session
  inbox: Inbox
  post(message: Message): void
  /** Creates the session of another tab. */
  sessionOf(join: JoinMessage): Session
  opened(): void
  lost(cause: unknown): void
}

/**
 * Holds the one stream, and passes its events on to all tabs:
 *
 *    server --one stream--> hub --numbered events--> channel --> inbox of each tab
 *                            |                                     ^
 *                            +--model, or the events since a position (own channel of the tab)
 *
 * As long as the leader is alone, all events go to its own inbox as they are. With the first other tab, the
 * hub begins a model of its own, from which it serves the tabs: each tab gets the roots that it watches.
 */
export class Hub {
  readonly id: string = crypto.randomUUID()
  readonly #options: HubOptions
  readonly #sessions = new Map<string, Session>()
  readonly #recent = new Recent(MAX_RECENT_LENGTH)
  #store: ReturnType<ShareOptions['createStore']> | undefined
  #sequence = 0
  #position = ''
  #manifest: Pick<EventData['manifest'], 'protocol' | 'timestamp' | 'sources' | 'together'> | undefined
  /** Whether documents are being loaded. */
  #isLoading = true
  /** Whether the last event ended a moment. */
  #isWhole = true
  /** The watched roots that the server was asked for, and those that the stream has. */
  #asked: Limits = new Map()
  #present: Limits = new Map()
  /** The watched roots at the last `ready`, and those of the position. */
  #complete: readonly WatchEntry[] = []
  #held: readonly WatchEntry[] = []
  #granted: readonly WatchEntry[] | undefined
  /** The request for changes of the watched roots that is under way. */
  #asking: Promise<SessionAnswer> = Promise.resolve({ live: true })
  /** The events that wait while the server may change the identity. */
  #kept: [name: string, data: string, id: string][] | undefined
  /** Resolves with the manifest. A stream that is opening takes no requests. */
  readonly #begun: Promise<void>
  #begin = () => {}
  #close = () => {}
  readonly #ending = new AbortController()

  constructor(options: HubOptions) {
    this.#options = options
    this.#sessions.set(options.own.tab, options.own)
    this.#begun = new Promise((resolve) => {
      this.#begin = resolve
    })
  }

  get #isClosed(): boolean {
    return this.#ending.signal.aborted
  }

  /** Whether there are other tabs. */
  get isFollowed(): boolean {
    return this.#sessions.size > 1
  }

  /** Opens the stream. */
  open(start: StreamStart): void {
    const { transport, opened, lost } = this.#options
    this.#close()
    let isCurrent = true
    this.#asked = limitsOf(start.watch)
    this.#position = start.position
    this.#held = start.held ?? (start.position ? start.watch : [])
    this.#complete = start.position ? start.watch : []
    this.#isLoading = true
    if (this.#sequence === 0) this.#recent.begin(start.position)
    const close = transport.open(start, {
      opened: () => isCurrent && opened(),
      event: (name, data, id) => {
        if (!isCurrent) return
        if (this.#kept) this.#kept.push([name, data, id])
        else this.#take(name, data, id)
      },
      lost: (cause) => isCurrent && lost(cause),
    })
    this.#close = () => {
      isCurrent = false
      close()
    }
    this.grant()
  }

  close(): void {
    this.#ending.abort()
    this.#close()
    for (const session of this.#sessions.values()) session.close()
  }

  /** Keeps the events back while a handshake is made, because the identity may be another one after it. */
  keep(): void {
    this.#kept ??= []
  }

  /** Passes on the events that were kept back. */
  release(): void {
    const kept = this.#kept ?? []
    this.#kept = undefined
    for (const event of kept) if (!this.#isClosed) this.#take(...event)
    this.grant()
  }

  /** Tells the tabs the token, by which the next leader continues the stream. */
  grant(): void {
    const { token, expires = 0 } = this.#options.transport
    if (token === undefined) return
    const grant = { token, expiresAt: new Date(expires).toISOString() }
    this.#options.post({ type: 'grant', leader: this.id, grant })
  }

  /** Takes up a tab. It gets the model as soon as the model is complete. */
  join(join: JoinMessage): void {
    this.leave(join.tab)
    this.#sessions.set(join.tab, this.#options.sessionOf(join))
    if (join.reached.length > 0) void this.ask('reached', { position: join.reached }).catch(() => {})
    this.#serve()
    this.grant()
  }

  leave(tab: string): void {
    const session = this.#sessions.get(tab)
    if (!session || session === this.#options.own) return
    session.close()
    this.#sessions.delete(tab)
    if (!session.join) this.#syncLater()
  }

  /** Makes a request of a tab about the stream. */
  async ask(route: 'watch' | 'reached', body: object, tab = ''): Promise<SessionAnswer> {
    if (route === 'reached') return this.#post('reached', body)
    const session = this.#sessions.get(tab)
    if (!session) return { live: false }
    change(session, body)
    // A tab that waits for the model gets these roots with the model.
    if (session.join) return { live: true }
    const answer = await this.#sync()
    this.#serve()
    const watch = (answer.live ? this.#granted : undefined)?.filter((entry) =>
      session.wanted.has(typeof entry === 'string' ? entry : entry.root),
    )
    return watch ? { live: true, watch } : { live: answer.live }
  }

  /** Asks the server for the changes of the watched roots, one request after the other. */
  #sync(): Promise<SessionAnswer> {
    const next = async (): Promise<SessionAnswer> => {
      const union = unionOf(this.#sessions.values())
      const add = entriesOf([...union].filter(([root, limit]) => this.#asked.get(root) !== limit))
      const remove = [...this.#asked.keys()].filter((root) => !union.has(root))
      if (this.#isClosed || add.length + remove.length === 0) return { live: !this.#isClosed }
      const answer = await this.#post('watch', { add, remove })
      if (!answer.live) return answer
      this.#asked = union
      if (answer.watch) this.#granted = answer.watch
      return answer
    }
    this.#asking = this.#asking.then(next, next)
    return this.#asking
  }

  /** Asks the server without a tab that waits for the answer. */
  #syncLater(): void {
    this.#sync().catch(() => this.#options.clock.after(RETRY_MS, () => this.#syncLater()))
  }

  /** Makes a request, which a balancer may send to another node than the stream's. */
  async #post(route: 'watch' | 'reached', body: object): Promise<SessionAnswer> {
    const { transport } = this.#options
    await this.#begun
    for (let tries = 1; ; tries++) {
      const answer = await transport.post(route, body, this.#ending.signal)
      // Leaves the other tries to the client of a leader that is alone.
      if (answer.live || !this.#store) return answer
      if (tries < TRIES) continue
      this.open({
        position: this.#isWhole && !this.#isLoading ? this.#position : '',
        watch: entriesOf(unionOf(this.#sessions.values())),
        held: this.#held,
      })
      return { live: true }
    }
  }

  #take(name: string, data: string, id: string): void {
    const { own, inbox } = this.#options
    if (name === 'manifest' && this.#store && data.includes('"resumed":false')) {
      // Begins anew in all tabs, since the model is another one.
      this.#options.lost({
        error: new ParticleError('UNAVAILABLE', 'The stream begins anew.'),
        type: 'ended',
      })
      return
    }
    const event = { name, data, id, ...this.#note(name, data, id) }
    const isOwn = name === 'renew' || (name === 'error' && data.includes('"TOKEN_EXPIRED"'))
    if (isOwn) inbox.direct(event)
    else if (!this.#store || (name !== 'manifest' && name !== 'watching')) this.#emit(event)
    if (!this.#store) own.present = targetOf(own, this.#present)
    if (name === 'session') this.grant()
    this.#serve()
  }

  /** Notes an event, and applies it to the model. Returns the root of the event, and its group. */
  #note(name: string, data: string, id: string): Pick<SharedEvent, 'root' | 'group' | 'held'> {
    const store = this.#store
    let noted: Pick<SharedEvent, 'root' | 'group'> = {}
    try {
      // Leaves the payloads of a leader that is alone to its client.
      if (name !== 'payload' || store) noted = this.#apply(name, Object(JSON.parse(data)))
    } catch (cause) {
      // The leader's own client gets the same event, and begins anew.
      this.#options.onDebug(`share: an event can't be applied: ${cause}`)
    }
    if (!id) return noted
    this.#position = id
    const held = this.#held === this.#complete ? undefined : this.#complete
    this.#held = this.#complete
    return { ...noted, held }
  }

  #apply(name: string, value: object): Pick<SharedEvent, 'root' | 'group'> {
    const { root, more, code } = value as { root?: string; more?: boolean; code?: string }
    const store = this.#store
    let group: readonly string[] | undefined
    switch (name) {
      case 'manifest': {
        const manifest = value as EventData['manifest']
        this.#manifest = manifest
        this.#present = new Map([...this.#asked].filter(([each]) => Object.hasOwn(manifest.sources, each)))
        this.#isLoading = true
        store?.begin(manifest.sources, manifest.resumed)
        if (!manifest.resumed) this.#position = ''
        this.#begin()
        break
      }
      case 'watching': {
        const { watch, sources, together } = value as EventData['watching']
        this.#present = limitsOf(watch)
        if (this.#manifest) {
          const { protocol, timestamp } = this.#manifest
          this.#manifest = { protocol, timestamp, sources, ...(together && { together }) }
        }
        this.#isLoading = true
        store?.change(sources)
        break
      }
      case 'reset':
        this.#isLoading = true
        this.#position = ''
        if (root !== undefined) store?.reset(root)
        break
      case 'payload':
        store?.payload(value as EventData['payload'])
        break
      case 'delta':
        store?.delta(value as EventData['delta'])
        this.#isWhole = more !== true
        if (this.#isWhole && root !== undefined && isWatchedRoot(root))
          group = this.#manifest?.together?.find((roots) => roots.includes(root))
        break
      case 'ready':
        store?.settle()
        this.#isLoading = false
        this.#isWhole = true
        this.#complete = entriesOf(this.#present)
        break
      case 'error':
        if (root !== undefined && (code === 'FORBIDDEN' || !this.#present.has(root))) this.#refuse(root)
    }
    return { root, group }
  }

  /** Forgets a root that the server refuses. A tab that wants the root again asks for it again. */
  #refuse(root: string): void {
    if (!isWatchedRoot(root)) return
    this.#asked.delete(root)
    for (const { wanted } of this.#sessions.values()) wanted.delete(root)
  }

  /** Passes an event on to all tabs. */
  #emit(event: SharedEvent): void {
    const sequence = this.#number()
    this.#recent.add(event)
    if (this.isFollowed) this.#options.post({ type: 'event', leader: this.id, sequence, event })
    this.#options.inbox.take(sequence, event)
  }

  #number(): number {
    return ++this.#sequence
  }

  /** Sends the tabs what they lack, once the model is complete. */
  #serve(): void {
    if (this.#isClosed || this.#isLoading || !this.#isWhole || !this.#manifest) return
    const { own } = this.#options
    if (!this.#store && this.isFollowed) {
      this.#store = this.#createStore(this.#manifest.sources)
      own.present = entriesOf(this.#present)
    }
    if (!this.#store) return
    let isNew = false
    for (const session of this.#sessions.values()) {
      const target = targetOf(session, this.#present)
      const { present, join } = session
      if (present && JSON.stringify(present) === JSON.stringify(target)) continue
      session.present = target
      session.join = undefined
      isNew ||= join !== undefined
      this.#send(session, present ? this.#changes(present, target) : this.#model(target, join), !present)
    }
    if (isNew) this.#syncLater()
  }

  /** Begins the model from the documents of the leader's own tab, which has the same roots until now. */
  #createStore(sources: EventData['manifest']['sources']): ReturnType<ShareOptions['createStore']> {
    const store = this.#options.createStore()
    store.begin(sources, false)
    for (const root of Object.keys(sources))
      store.payload({ root, data: [...this.#options.documents(root)], part: 0, last: true })
    return store
  }

  /** Returns the events of a tab that joins: those since its position, or else the whole model. */
  *#model(target: readonly WatchEntry[], join: JoinMessage | undefined): Iterable<SharedEvent> {
    const { protocol = 1, timestamp = '' } = this.#manifest ?? {}
    const { sources, together } = this.#shapeOf(target)
    const held = limitsOf(join?.held ?? [])
    const recent = join && this.#recent.after(join.position)
    const position = this.#position
    const nextHeld = this.#held
    const isHeld = (root: string | undefined) => root === undefined || !isWatchedRoot(root) || held.has(root)
    const lacking = Object.keys(sources).filter((root) => !recent || !isHeld(root))
    const payloads = this.#payloads(lacking)
    yield eventOf('manifest', { protocol, timestamp, resumed: recent !== undefined, sources, together })
    for (const event of recent ?? []) {
      const { name, root } = event
      if (name !== 'manifest' && name !== 'watching' && name !== 'ready' && isHeld(root)) yield event
    }
    yield* payloads
    yield { ...eventOf('ready', { timestamp: new Date().toISOString() }, position), held: nextHeld }
  }

  /** Returns the events of a tab that watches other roots than before. */
  *#changes(before: readonly WatchEntry[], target: readonly WatchEntry[]): Iterable<SharedEvent> {
    const had = limitsOf(before)
    const added = [...limitsOf(target).keys()].filter((root) => !had.has(root))
    const payloads = this.#payloads(added)
    const position = this.#position
    yield eventOf('watching', { watch: target, ...this.#shapeOf(target) })
    yield* payloads
    yield eventOf('ready', { timestamp: new Date().toISOString() }, position)
  }

  /** Returns the present documents of roots. They are written as JSON part by part, when they are sent. */
  #payloads(roots: readonly string[]): Iterable<SharedEvent> {
    const timestamp = new Date().toISOString()
    const lists = roots.map((root) => [root, this.#store?.getRoot(root) ?? []] as const)
    return (function* () {
      for (const [root, list] of lists) {
        for (let part = 0; part === 0 || part * MAX_PART_SIZE < list.length; part++) {
          const end = (part + 1) * MAX_PART_SIZE
          const data = list.slice(part * MAX_PART_SIZE, end)
          yield { ...eventOf('payload', { root, timestamp, data, part, last: end >= list.length }), root }
        }
      }
    })()
  }

  /** Returns the manifests of the roots that a tab has, and their groups. */
  #shapeOf(target: readonly WatchEntry[]): Pick<EventData['manifest'], 'sources' | 'together'> {
    const own = limitsOf(target)
    const { sources = {}, together } = this.#manifest ?? {}
    const isShown = (root: string) => !isWatchedRoot(root) || own.has(root)
    const shown = Object.fromEntries(Object.entries(sources).filter(([root]) => isShown(root)))
    const groups = together?.map((roots) => roots.filter(isShown)).filter(({ length }) => length > 1)
    return groups?.length ? { sources: shown, together: groups } : { sources: shown }
  }

  /** Sends events to one tab, at this place in the order of all events. */
  #send(session: Session, events: Iterable<SharedEvent>, first: boolean): void {
    const sequence = this.#number()
    const iterator = events[Symbol.iterator]()
    // Reads the documents now, before they change.
    let next = iterator.next()
    if (this.isFollowed) this.#options.post({ type: 'turn', leader: this.id, sequence, tab: session.tab })
    this.#options.inbox.take(sequence, session.tab)
    const send = () => {
      while (!this.#isClosed && this.#sessions.get(session.tab) === session) {
        if (next.done) return session.send({ sequence, first })
        const event = next.value
        session.send({ sequence, first, events: [event] })
        next = iterator.next()
        // Leaves the page time for its own work between the parts of large roots.
        if (event.name === 'payload') return void this.#options.clock.after(0, send)
      }
    }
    send()
  }
}

function eventOf(name: string, data: object, id = ''): SharedEvent {
  return { name, data: JSON.stringify(data), id }
}
