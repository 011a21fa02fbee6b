import type { SessionAnswer, Sink, StreamStart } from '../transport.ts'
import { entriesOf, type Limits, limitsOf } from '../watch-list.ts'
import { failureOf, sharedFailure } from './failure.ts'
import { Hub } from './hub.ts'
import { Inbox } from './inbox.ts'
import {
  type AnswerMessage,
  type AskMessage,
  type JoinMessage,
  type Message,
  type SharedGrant,
  VERSION,
} from './messages.ts'
import { changeWanted, type Session } from './session.ts'
import type { ShareOptions } from './share.ts'

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
  /** Called with the token of the stream; `undefined` when the tabs of the stream have another identity now. */
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
  readonly #options: MemberOptions
  readonly #tab: string = crypto.randomUUID()
  readonly #inbox: Inbox
  readonly #wanted: Limits
  readonly #channel: BroadcastChannel
  readonly #own: BroadcastChannel
  readonly #ending = new AbortController()
  /** The requests to the leader that are not answered yet. */
  readonly #asked = new Map<number, { message: AskMessage; settle: (answer: AnswerMessage) => void }>()
  #number = 0
  #hub: Hub | undefined
  #leader: string | undefined
  #grant: SharedGrant | undefined
  /** Whether the leader was heard since the last check. */
  #isHeard = true
  #silent = 0
  #cancel = () => {}
  #release = () => {}

  constructor(options: MemberOptions) {
    const { name, start, sink } = options
    this.#options = options
    this.#grant = options.grant
    this.#wanted = limitsOf(start.watch)
    this.#inbox = new Inbox(this.#tab, start, sink, (root) => this.#wanted.has(root))
    this.#channel = new BroadcastChannel(name)
    this.#channel.onmessage = ({ data }) => this.#hear(data)
    this.#own = new BroadcastChannel(`${name} ${this.#tab}`)
    this.#own.onmessage = ({ data }) => this.#hear(data)
    this.#lock(`${name} ${this.#tab}`, () => {
      this.#join()
      this.#check()
    })
    this.#campaign()
  }

  /** Whether this tab holds the stream. */
  get isLeader(): boolean {
    return this.#hub !== undefined
  }

  /** Whether this tab holds the stream for other tabs, of which one continues the stream. */
  get isFollowed(): boolean {
    return this.#hub?.isFollowed === true
  }

  /** Makes a request about the shared stream. */
  async post(route: 'watch' | 'reached', body: object): Promise<SessionAnswer> {
    if (route === 'watch') changeWanted(this.#wanted, body)
    if (this.#hub) return this.#hub.ask(route, body, this.#tab)
    const number = ++this.#number
    const message = { type: 'ask', tab: this.#tab, number, route, body } as const
    return new Promise((resolve, reject) => {
      const settle = ({ answer, failure }: AnswerMessage) => {
        this.#asked.delete(number)
        if (answer) resolve(answer)
        else if (failure) reject(failureOf(failure))
      }
      this.#asked.set(number, { message, settle })
      this.#post(message)
    })
  }

  /** Keeps the events back during a handshake. Returns a function that passes them on. */
  keep(): (isSame: boolean) => void {
    const hub = this.#hub
    hub?.keep()
    return (isSame) => {
      if (isSame) return hub?.release()
      const error = { code: 'UNAVAILABLE', message: 'Another tab has another identity now.' }
      const failure = { error, type: 'ended' } as const
      if (hub) this.#post({ type: 'down', leader: hub.id, failure, foreign: true })
    }
  }

  /** Leaves the tabs. The next tab becomes the leader where this one was. */
  close(): void {
    this.#post({ type: 'leave', tab: this.#tab })
    this.#ending.abort()
    this.#cancel()
    this.#hub?.close()
    this.#hub = undefined
    this.#release()
    this.#channel.close()
    this.#own.close()
  }

  get #isClosed(): boolean {
    return this.#ending.signal.aborted
  }

  /** Waits for a lock, and holds it until the end. */
  #lock(
    name: string,
    held: () => void,
    options: LockOptions = { signal: this.#ending.signal },
  ): Promise<void> {
    return this.#options.locks
      .request(name, options, () => {
        if (this.#isClosed) return
        held()
        return new Promise<void>((resolve) => {
          const release = this.#release
          this.#release = () => {
            release()
            resolve()
          }
        })
      })
      .catch((cause) => {
        if (this.#isClosed) return
        if (Object(cause).name !== 'AbortError') this.#options.sink.lost(cause)
        // Another tab has taken the lock, because this one did not answer.
        else if (this.#hub) this.#resign()
      }) as Promise<void>
  }

  /** Waits for its turn to be the leader. */
  #campaign(): void {
    void this.#lock(this.#options.name, () => this.#lead())
  }

  /** Takes the place of a leader that does not answer. */
  #steal(): void {
    this.#options.onDebug('share: the leading tab does not answer')
    void this.#lock(this.#options.name, () => this.#lead(), { steal: true })
  }

  #lead(): void {
    if (this.#hub) return
    const { sink, transport, start, clock } = this.#options
    const inbox = this.#inbox
    this.#options.onDebug('share: leads the tabs')
    this.#leader = undefined
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
      sessionOf: (join) => this.#sessionOf(join),
      opened: () => sink.opened(),
      lost: (cause) => this.#lost(cause),
    })
    this.#hub = hub
    const { position, held } = inbox
    inbox.attach(1)
    const grant = this.#grant
    if (grant?.token && Date.parse(grant.expiresAt) > clock.now())
      transport.renew(grant.token, grant.expiresAt)
    this.#post({ type: 'lead', leader: hub.id })
    const had = limitsOf(held)
    // Leaves out roots that the position is given for and this tab has no documents of.
    const watch = entriesOf([...this.#wanted].filter(([root]) => !had.has(root) || inbox.has(root)))
    const differs = position !== '' && JSON.stringify(held) !== JSON.stringify(watch)
    hub.open({ position, watch, held: differs ? held : undefined, reached: start.reached })
    for (const { message } of this.#asked.values()) this.#answer(hub, message)
  }

  /** Becomes a tab like the others, because another tab has become the leader meanwhile. */
  #resign(): void {
    this.#options.onDebug('share: another tab leads')
    this.#hub?.close()
    this.#hub = undefined
    this.#options.onResign()
    this.#inbox.attach()
    this.#join()
    this.#campaign()
  }

  #lost(cause: unknown): void {
    const hub = this.#hub
    const foreign = Object(cause).type === 'unauthorized'
    if (foreign) this.#options.onGrant(undefined)
    if (hub) this.#post({ type: 'down', leader: hub.id, failure: sharedFailure(cause), foreign })
    this.#options.sink.lost(cause)
  }

  #sessionOf(join: JoinMessage): Session {
    const { name, locks } = this.#options
    const channel = new BroadcastChannel(`${name} ${join.tab}`)
    const ending = new AbortController()
    const hub = this.#hub
    // Waits for the end of a tab that crashes: the browser passes the tab's own lock on.
    locks
      .request(`${name} ${join.tab}`, { signal: ending.signal }, () => hub?.leave(join.tab))
      .catch(() => {})
    return {
      tab: join.tab,
      wanted: limitsOf(join.watch),
      join,
      send: (part) => channel.postMessage({ particle: VERSION, type: 'part', leader: hub?.id, ...part }),
      close: () => {
        ending.abort()
        channel.close()
      },
    }
  }

  #post(message: Message): void {
    if (!this.#isClosed) this.#channel.postMessage({ particle: VERSION, ...message })
  }

  #join(): void {
    if (this.#hub || this.#isClosed) return
    const { position, held } = this.#inbox
    this.#inbox.attach()
    const watch = entriesOf(this.#wanted)
    const has = held.filter((entry) => this.#inbox.has(typeof entry === 'string' ? entry : entry.root))
    const { reached = [] } = this.#options.start
    this.#post({ type: 'join', tab: this.#tab, position, held: has, watch, reached })
  }

  /** Looks for a sign of the leader, and asks for one. */
  #check(): void {
    this.#cancel = this.#options.clock.after(CHECK_MS, () => {
      if (this.#isClosed) return
      if (!this.#hub) {
        this.#silent = this.#isHeard ? 0 : this.#silent + 1
        if (this.#silent >= MAX_SILENT_CHECKS) {
          this.#silent = 0
          this.#steal()
        } else if (!this.#isHeard) this.#post({ type: 'ping' })
        this.#isHeard = false
      }
      this.#check()
    })
  }

  #hear(data: unknown): void {
    const message = data as Message & { particle?: unknown }
    // Ignores messages of other scripts.
    if (message?.particle !== VERSION || this.#isClosed) return
    try {
      if (this.#hub) this.#serve(this.#hub, message)
      else if ('leader' in message) this.#follow(message)
    } catch (cause) {
      this.#options.onDebug(`share: a message of another tab was not understood: ${cause}`)
    }
  }

  #serve(hub: Hub, message: Message): void {
    if (message.type === 'join') hub.join(message)
    if (message.type === 'leave') hub.leave(message.tab)
    if (message.type === 'ping') hub.grant()
    if (message.type === 'ask') this.#answer(hub, message)
  }

  /** Makes a request of a tab, which may be the leader's own from before it was the leader. */
  #answer(hub: Hub, { tab, number, route, body }: AskMessage): void {
    const answer = { type: 'answer', leader: hub.id, tab, number } as const
    const send = (message: AnswerMessage) => {
      if (tab === this.#tab) this.#asked.get(number)?.settle(message)
      else this.#post(message)
    }
    hub.ask(route, body, tab).then(
      (result) => send({ ...answer, answer: result }),
      (cause) => send({ ...answer, failure: sharedFailure(cause) }),
    )
  }

  #follow(message: Extract<Message, { leader: string }>): void {
    const inbox = this.#inbox
    this.#leader ??= message.leader
    if (message.type === 'lead') {
      this.#options.onDebug('share: follows another tab')
      this.#leader = message.leader
      this.#join()
      for (const { message } of this.#asked.values()) this.#post(message)
    }
    if (message.leader !== this.#leader) return
    this.#isHeard = true
    if (inbox.attached && message.type !== 'down') this.#options.sink.opened()
    switch (message.type) {
      case 'event':
        inbox.take(message.number, message.event)
        break
      case 'part':
        inbox.takePart(message.number, message.event, message.first)
        break
      case 'pong':
        this.#grant = message.grant
        this.#options.onGrant(message.grant)
        break
      case 'answer':
        if (message.tab === this.#tab) this.#asked.get(message.number)?.settle(message)
        break
      case 'down':
        if (message.foreign) this.#options.onGrant(undefined)
        this.#options.sink.lost(failureOf(message.failure))
    }
  }
}
