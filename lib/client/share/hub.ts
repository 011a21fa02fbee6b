import { ParticleError } from '../../errors.ts'
import { isWatchedRoot } from '../../protocol/watched-root.ts'
import type { SessionAnswer, StreamStart } from '../transport.ts'
import { entriesOf, limitsOf, rootOf } from '../watch-list.ts'
import type { Inbox } from './inbox.ts'
import { type JoinMessage, type Message, type SharedEvent, VERSION } from './messages.ts'
import { changeWanted, type Session, targetOf, unionOf } from './session.ts'
import type { ShareOptions } from './share-options.ts'
import { SharedModel } from './shared-model.ts'

/** Sets the delay before a failed request is made again, in milliseconds. */
const RETRY_MS = 5000

/** Holds the parts of a hub. */
export interface HubOptions extends ShareOptions {
  /** The leader's own tab. */
  own: Session
  inbox: Inbox
  /** The name of the channel and the lock that the tabs share. */
  name: string
  post(message: Message): void
  opened(): void
  lost(cause: unknown): void
}

/**
 * Holds the one stream, and passes its events on to all tabs:
 *
 *    server --one stream--> hub --numbered events--> channel --> inbox of each tab
 *                            |                                     ^
 *                            +--the model, or the events since a position (the tab's own channel)
 *
 * As long as the leader is alone, all events go to its own inbox as they are. From the first other tab on,
 * each tab gets the roots that it watches from a {@link SharedModel}.
 */
export class Hub {
  readonly id: string = crypto.randomUUID()
  readonly #options: HubOptions
  readonly #model: SharedModel
  readonly #sessions = new Map<string, Session>()
  readonly #ending = new AbortController()
  #number = 0
  /** The request for changes of the watched roots that is under way. */
  #asking: Promise<unknown> = Promise.resolve()
  #granted: SessionAnswer['watch']
  /** Resolves with the manifest. A stream that is opening takes no requests. */
  readonly #begun: Promise<void>
  #begin = () => {}
  /** The events that wait while the server may change the identity. */
  #kept: [name: string, data: string, id: string][] | undefined
  #close = () => {}

  constructor(options: HubOptions) {
    this.#options = options
    this.#model = new SharedModel(options)
    this.#sessions.set(options.own.tab, options.own)
    this.#begun = new Promise((resolve) => {
      this.#begin = resolve
    })
  }

  /** Whether there are other tabs. */
  get isFollowed(): boolean {
    return this.#sessions.size > 1
  }

  /** Opens the stream, in the place of an earlier one. */
  open(start: StreamStart): void {
    const { transport, opened, lost } = this.#options
    let isCurrent = true
    this.#close()
    this.#model.begin(start)
    const close = transport.open(start, {
      opened: () => isCurrent && opened(),
      event: (...event) => {
        if (!isCurrent) return
        if (this.#kept) this.#kept.push(event)
        else this.#take(...event)
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
    for (const session of this.#sessions.values()) session.close?.()
  }

  /** Keeps the events back while a handshake is made, because the identity may be another one after it. */
  keep(): void {
    this.#kept ??= []
  }

  /** Passes on the events that were kept back. */
  release(): void {
    const kept = this.#kept ?? []
    this.#kept = undefined
    for (const event of kept) this.#take(...event)
    this.grant()
  }

  /** Gives a sign of life, with the token by which the next leader continues the stream. */
  grant(): void {
    const { token, expires = 0 } = this.#options.transport
    const grant = { token, expiresAt: new Date(expires).toISOString() }
    this.#options.post({ type: 'pong', leader: this.id, grant })
  }

  /** Takes up a tab. The tab gets the model as soon as the model is complete. */
  join(join: JoinMessage): void {
    this.leave(join.tab)
    this.#sessions.set(join.tab, this.#sessionOf(join))
    if (join.reached.length > 0) this.ask('reached', { position: join.reached }).catch(() => {})
    this.#serve()
    this.grant()
  }

  #sessionOf(join: JoinMessage): Session {
    const { tab } = join
    const name = `${this.#options.name} ${tab}`
    const channel = new BroadcastChannel(name)
    const ending = new AbortController()
    const { signal } = ending
    // Waits for the end of a tab that crashes: the browser passes the tab's own lock on.
    this.#options.locks.request(name, { signal }, () => this.leave(tab)).catch(() => {})
    return {
      tab,
      wanted: limitsOf(join.watch),
      join,
      send: (part) => channel.postMessage({ particle: VERSION, type: 'part', leader: this.id, ...part }),
      close: () => {
        ending.abort()
        channel.close()
      },
    }
  }

  leave(tab: string): void {
    const session = this.#sessions.get(tab)
    if (!session?.join) return
    session.close?.()
    this.#sessions.delete(tab)
    this.#sync().catch(() => {})
  }

  /** Makes a request of a tab about the stream. */
  async ask(route: 'watch' | 'reached', body: object, tab = ''): Promise<SessionAnswer> {
    await this.#begun
    const { transport } = this.#options
    if (route === 'reached') return transport.post(route, body, this.#ending.signal)
    const session = this.#sessions.get(tab)
    if (!session) return { live: false }
    changeWanted(session.wanted, body)
    const live = await this.#sync()
    this.#serve()
    const watch = this.#granted?.filter((entry) => session.wanted.has(rootOf(entry)))
    return live && watch ? { live, watch } : { live }
  }

  /**
   * Asks the server for the changes of the watched roots, one request after the other.
   *
   * @returns whether the stream is the one that the server was asked about
   */
  #sync(): Promise<boolean> {
    const model = this.#model
    const next = async (): Promise<boolean> => {
      await this.#begun
      const union = unionOf(this.#sessions.values())
      const add = entriesOf([...union].filter(([root, limit]) => model.asked.get(root) !== limit))
      const remove = [...model.asked.keys()].filter((root) => !union.has(root))
      const { signal } = this.#ending
      if (signal.aborted || add.length + remove.length === 0) return !signal.aborted
      const { live, watch } = await this.#options.transport.post('watch', { add, remove }, signal)
      if (live) {
        model.asked = union
        this.#granted = watch ?? this.#granted
      } else if (model.isShared) {
        // Asks by a new stream, because a balancer sends the requests to another node than this stream's.
        const position = model.isComplete ? model.position : ''
        this.open({ position, watch: entriesOf(union), held: model.held })
      }
      return live || model.isShared
    }
    const asking = this.#asking.then(next, next)
    this.#asking = asking
    return asking
  }

  #take(name: string, data: string, id: string): void {
    const { own, inbox, lost, onDebug } = this.#options
    const model = this.#model
    if (this.#ending.signal.aborted) return
    if (name === 'manifest' && model.isShared && data.includes('"resumed":false')) {
      // Begins anew in all tabs, since the model is another one.
      lost({ error: new ParticleError('UNAVAILABLE', 'The stream begins anew.'), type: 'ended' })
      return
    }
    let event: SharedEvent = { name, data, id }
    try {
      event = model.take(name, data, id)
    } catch (cause) {
      // Leaves the mistake to the leader's own client, which gets the same event and begins anew.
      onDebug(`share: ${cause}`)
    }
    if (name === 'manifest') this.#begin()
    if (name === 'error' && event.root !== undefined) this.#refuse(event.root, data)
    if (name === 'renew' || (name === 'error' && data.includes('"TOKEN_EXPIRED"'))) inbox.pass(event)
    else if (!model.isShared || (name !== 'manifest' && name !== 'watching')) this.#emit(event)
    if (!model.isShared) own.present = targetOf(own, model.present)
    if (name === 'session') this.grant()
    this.#serve()
  }

  /** Forgets a root that the server refuses. A tab that wants the root again asks for it again. */
  #refuse(root: string, data: string): void {
    const { asked, present } = this.#model
    if (!isWatchedRoot(root) || (present.has(root) && !data.includes('"FORBIDDEN"'))) return
    asked.delete(root)
    for (const { wanted } of this.#sessions.values()) wanted.delete(root)
  }

  /** Passes an event on to all tabs, or gives its place in the order to the parts for one tab. */
  #emit(event: SharedEvent | string): number {
    const number = ++this.#number
    if (this.isFollowed) this.#options.post({ type: 'event', leader: this.id, number, event })
    this.#options.inbox.take(number, event)
    return number
  }

  /** Sends the tabs what they lack, once the model is complete. */
  #serve(): void {
    const model = this.#model
    if (!model.isComplete || !this.isFollowed) return
    if (!model.isShared) model.share()
    let isNew = false
    for (const session of this.#sessions.values()) {
      const target = targetOf(session, model.present)
      if (JSON.stringify(session.present) === JSON.stringify(target)) continue
      isNew ||= !session.present
      this.#send(session)
      session.present = target
    }
    // Tries again later, since no tab waits for the answer.
    const sync = () => {
      this.#sync().catch(() => this.#options.clock.after(RETRY_MS, sync))
    }
    if (isNew) sync()
  }

  /** Sends a tab what it lacks, at this place in the order of all events. */
  #send(session: Session): void {
    const first = !session.present
    const events = this.#model.eventsFor(session)
    const number = this.#emit(session.tab)
    const send = () => {
      while (!this.#ending.signal.aborted && this.#sessions.get(session.tab) === session) {
        const { value, done } = events.next()
        session.send(done ? { number, first } : { number, first, event: value })
        if (done) return
        // Leaves the page time for its own work between the parts of large roots.
        if (value.name === 'payload') return void this.#options.clock.after(0, send)
      }
    }
    send()
  }
}
