import type { SessionAnswer, Sink, StreamStart } from '../transport.ts'
import { entriesOf, type Limits, limitsOf, rootOf } from '../watch-list.ts'
import { failureOf, sharedFailure } from './failure.ts'
import { Hub } from './hub.ts'
import { Inbox } from './inbox.ts'
import { type AnswerMessage, type Message, type SharedGrant, VERSION } from './messages.ts'
import { changeWanted, type Session } from './session.ts'
import type { ShareOptions } from './share-options.ts'

/** Sets the interval of the check for a leader that is silent, in milliseconds. */
const CHECK_MS = 350
/** Counts the checks in a row without a sign of the leader before another tab takes its place. */
const MAX_SILENT_CHECKS = 3

/** Holds the parts of a member. */
export interface MemberOptions extends ShareOptions {
  /** The name of the channel and the lock that the tabs share. */
  name: string
  start: StreamStart
  sink: Sink
  /** The token of the stream that the tab has been a part of. */
  grant: SharedGrant | undefined
  /** Called with the token of the stream; `undefined` when each tab must ask the server who it is. */
  onGrant: (grant: SharedGrant | undefined) => void
  /** Called when another tab has become the leader. */
  onResign: () => void
}

/**
 * Makes a tab a part of the tabs that share one stream, from the opening of the tab's stream to its end. The
 * tab that holds the lock is the leader, and has the {@link Hub}. The others wait for the lock, which the
 * browser passes on when the leader closes or crashes. A leader that does not answer loses the lock.
 */
export class Member {
  /** Holds the stream where this tab is the leader. */
  hub: Hub | undefined
  readonly #options: MemberOptions
  readonly #tab: string = crypto.randomUUID()
  readonly #inbox: Inbox
  readonly #wanted: Limits
  readonly #channels: readonly BroadcastChannel[]
  readonly #ending = new AbortController()
  /** Settles the requests to the leader that are not answered yet. */
  readonly #asked = new Map<number, (answer: Pick<AnswerMessage, 'answer' | 'failure'>) => void>()
  #number = 0
  #leader: string | undefined
  #grant: SharedGrant | undefined
  /** The checks in a row without a sign of the leader. */
  #silent = 0

  constructor(options: MemberOptions) {
    const { name, start, sink } = options
    const own = `${name} ${this.#tab}`
    this.#options = options
    this.#grant = options.grant
    this.#wanted = limitsOf(start.watch)
    this.#inbox = new Inbox(this.#tab, start, sink, (root) => this.#wanted.has(root))
    this.#channels = [name, own].map((each) => {
      const channel = new BroadcastChannel(each)
      channel.onmessage = ({ data }) => this.#hear(data)
      return channel
    })
    // Shows the leader that this tab is there.
    this.#lock(own, () => {
      this.#join()
      this.#check()
    })
    this.#lock(name, () => this.#lead())
  }

  /** Makes a request about the shared stream. */
  async post(route: 'watch' | 'reached', body: object): Promise<SessionAnswer> {
    if (route === 'watch') changeWanted(this.#wanted, body)
    if (this.hub) return this.hub.ask(route, body, this.#tab)
    const number = ++this.#number
    return new Promise((resolve, reject) => {
      this.#asked.set(number, ({ answer, failure }) => {
        this.#asked.delete(number)
        if (answer) resolve(answer)
        else if (failure) reject(failureOf(failure))
      })
      this.#post({ type: 'ask', tab: this.#tab, number, route, body })
    })
  }

  /** Leaves the tabs. The next tab becomes the leader where this one was. */
  close(): void {
    this.#post({ type: 'leave', tab: this.#tab })
    this.hub?.close()
    this.#ending.abort()
    for (const channel of this.#channels) channel.close()
  }

  get #isClosed(): boolean {
    return this.#ending.signal.aborted
  }

  /** Waits for a lock, and holds it until the end. */
  #lock(name: string, held: () => void, steal = false): void {
    const { locks, sink } = this.#options
    const { signal } = this.#ending
    const hold = () => {
      if (signal.aborted) return
      held()
      return new Promise((resolve) => signal.addEventListener('abort', resolve))
    }
    locks.request(name, steal ? { steal } : { signal }, hold).catch((cause) => {
      if (signal.aborted) return
      // Another tab has taken the lock, because this one did not answer.
      if (this.hub) this.#resign()
      else sink.lost(cause)
    })
  }

  #lead(): void {
    const { sink, transport, start, clock, onDebug } = this.#options
    const inbox = this.#inbox
    if (this.hub) return
    onDebug('share: leads the tabs')
    const own: Session = {
      tab: this.#tab,
      wanted: this.#wanted,
      send: ({ number, event, first }) => inbox.takePart(number, event, first),
    }
    const hub = new Hub({
      ...this.#options,
      own,
      inbox,
      post: (message) => this.#post(message),
      opened: () => sink.opened(),
      lost: (cause) => this.#lost(cause),
    })
    const { position, held } = inbox
    const grant = this.#grant
    this.hub = hub
    inbox.attach(1)
    // An expired token opens no stream, but proves the position in the handshake that follows.
    if (grant?.token && (Date.parse(grant.expiresAt) > clock.now() || transport.expired))
      transport.renew(grant.token, grant.expiresAt)
    this.#post({ type: 'lead', leader: hub.id })
    const had = limitsOf(held)
    // Leaves out roots that the position is given for and this tab has no documents of.
    const watch = entriesOf([...this.#wanted].filter(([root]) => !had.has(root) || inbox.has(root)))
    const differs = position && JSON.stringify(held) !== JSON.stringify(watch)
    hub.open({ position, watch, held: differs ? held : undefined, reached: start.reached })
    this.#askAgain()
  }

  /** Becomes a tab like the others, because another tab has become the leader meanwhile. */
  #resign(): void {
    const { name, onDebug, onResign } = this.#options
    onDebug('share: another tab leads')
    this.hub?.close()
    this.hub = undefined
    this.#leader = undefined
    onResign()
    this.#join()
    this.#lock(name, () => this.#lead())
  }

  #lost(cause: unknown): void {
    this.expel(cause, Object(cause).type === 'unauthorized')
    this.#options.sink.lost(cause)
  }

  /** Ends the stream of the other tabs. */
  expel(cause: unknown, foreign: boolean): void {
    if (foreign) this.#options.onGrant(undefined)
    if (this.hub) this.#post({ type: 'down', leader: this.hub.id, failure: sharedFailure(cause), foreign })
  }

  #post(message: Message): void {
    if (!this.#isClosed) this.#channels[0]?.postMessage({ particle: VERSION, ...message })
  }

  #join(): void {
    if (this.hub) return
    const inbox = this.#inbox
    const { position, held } = inbox
    const { reached = [] } = this.#options.start
    inbox.attach()
    this.#post({
      ...{ type: 'join', tab: this.#tab, position, watch: entriesOf(this.#wanted), reached },
      held: held.filter((entry) => inbox.has(rootOf(entry))),
    })
  }

  /** Lets the client repeat its requests, which the last leader did not answer. */
  #askAgain(): void {
    for (const settle of [...this.#asked.values()]) settle({ answer: { live: false } })
  }

  /** Looks for a sign of the leader, and asks for one. */
  #check(): void {
    this.#options.clock.after(CHECK_MS, () => {
      if (this.#isClosed) return
      if (!this.hub && this.#silent++ > 0) this.#post({ type: 'ping' })
      if (this.#silent > MAX_SILENT_CHECKS) {
        this.#silent = 0
        if (!this.hub) this.#lock(this.#options.name, () => this.#lead(), true)
      }
      this.#check()
    })
  }

  #hear(data: unknown): void {
    const message = data as Message & { particle?: unknown }
    // Ignores messages of other scripts.
    if (message?.particle !== VERSION || this.#isClosed) return
    try {
      if (this.hub) this.#serve(this.hub, message)
      else if ('leader' in message) this.#follow(message)
    } catch (cause) {
      this.#options.onDebug(`share: a message of another tab was not understood: ${cause}`)
    }
  }

  #serve(hub: Hub, message: Message): void {
    const { type } = message
    if (type === 'join') hub.join(message)
    if (type === 'leave') hub.leave(message.tab)
    if (type === 'ping') hub.grant()
    if (type !== 'ask') return
    const { tab, number, route, body } = message
    const answer = { type: 'answer', leader: hub.id, tab, number } as const
    hub.ask(route, body, tab).then(
      (result) => this.#post({ ...answer, answer: result }),
      (cause) => this.#post({ ...answer, failure: sharedFailure(cause) }),
    )
  }

  #follow(message: Extract<Message, { leader: string }>): void {
    const inbox = this.#inbox
    const { sink, onGrant } = this.#options
    const { type, leader } = message
    this.#leader ??= leader
    if (type === 'lead') {
      this.#leader = leader
      this.#join()
      this.#askAgain()
    }
    if (leader !== this.#leader) return
    this.#silent = 0
    if (inbox.attached) sink.opened()
    if (type === 'event') inbox.take(message.number, message.event)
    if (type === 'part') inbox.takePart(message.number, message.event, message.first)
    if (type === 'pong') {
      this.#grant = message.grant
      onGrant(message.grant)
    }
    if (type === 'answer' && message.tab === this.#tab) this.#asked.get(message.number)?.(message)
    if (type !== 'down') return
    const failure = failureOf(message.failure)
    if (message.foreign) {
      onGrant(undefined)
      // Makes a handshake at once, as the leader does.
      failure.type = 'unauthorized'
    }
    sink.lost(failure)
  }
}
