import { ParticleError } from '../../errors.ts'
import { Backoff } from '../backoff.ts'
import type { ChangeListener, HostRole, Subscription } from '../source.ts'
import { HostLeader } from './leader.ts'
import { LeaderLink, type NoLeader } from './link.ts'
import { placeOf } from './place.ts'
import { encodedUnlessShown, listenerOf, passTo, type Report } from './wire.ts'

/** The time in which an own stream must come to the leader's position, in milliseconds. */
const MEETING_MS = 30_000
/** The time within which a link that ends is not tried again at once, in milliseconds. */
const SHORT_MS = 1000

/** The time after which a leader whose own stream fails gives the lead to a process that can read, in ms. */
const FAILING_MS = 10_000
/** Says why a follower has lost its leader. */
const LOSSES = { missing: 'has ended', dead: 'has ended or closed the link', silent: 'is silent' }

/** Describes a source whose changes the processes of a host share. */
export interface HostSource {
  /** Returns everything that the changes depend on, as text. Only processes with the same text share. */
  key(): string
  /** Opens a stream of this process: `Adapter.open`. */
  open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription>
  compare(a: string, b: string): number
  /** Brings the open streams of this process to a position, unless they come to it soon anyway. */
  reach?(position: string): void
  /** Receives each report from the leader before the listener does. */
  received?(report: Report): void
}

/**
 * Follows a source for one listener: by a stream of its own, or by the reports of the process that leads on
 * this host. Since each process knows its position, it can change from one to the other at any time:
 *
 *     own stream --a leader, and the own stream has come to the leader's position--> follower
 *        |  ^                                                                           |
 *        |  `--the link ended, and there is no other leader at an earlier position------'
 *        `--no leader, and the socket is free--> leader: the own stream, also for the others
 *
 * A process that has lost its link goes on from its own position, and reads the changes that it missed. So it
 * matters little which process leads, and two leaders at a time do no harm but more work.
 */
export class HostFollowing {
  /** The last position that was reported to the listener. */
  position = ''
  readonly #source: HostSource
  readonly #folder: string | true
  readonly #listener: ChangeListener
  readonly #closing = new AbortController()
  readonly #backoff = new Backoff(this.#closing.signal)
  #own: Subscription | undefined
  /** Counts the own streams: the reports of an earlier one are ignored. */
  #streams = 0
  /** Resolves when the earlier own streams are closed. */
  #retired: Promise<unknown> = Promise.resolve()
  #leader: HostLeader | undefined
  #link: LeaderLink | undefined
  #isFollower = false
  /** The end of the last read. */
  #wanted = ''
  #path = ''
  /** Whether the path is not the source's any more. */
  #isStale = false
  #problem = ''
  /** The time of the first failure since the last other report. */
  #failedAt: number | undefined
  #role: HostRole | undefined
  #running: Promise<void> | undefined

  constructor(source: HostSource, folder: string | true, listener: ChangeListener) {
    this.#source = source
    this.#folder = folder
    this.#listener = listener
  }

  /** Opens an own stream, as without the option, and then looks for a leader. */
  async open(from: string | undefined, signal: AbortSignal | undefined): Promise<Subscription> {
    const stream = ++this.#streams
    const take = (report: Report) => this.#ownReport(stream, report)
    const own = await this.#source.open(this.#listenerOf(take), from, signal)
    this.#own = own
    if (this.position === '') this.position = own.position
    this.#become('own', 'it has just opened the source')
    this.#running = this.#run()
    return { ...own, close: () => this.#close() }
  }

  /** Whether there is a position, and no stream of this process. */
  get isElsewhere(): boolean {
    return this.position !== '' && this.#own === undefined
  }

  /** Asks the leader to come to a position soon, which the own stream does by itself. */
  reach(position: string): void {
    this.#wanted = position
    if (this.#isFollower && this.#source.compare(this.position, position) < 0) this.#link?.reach(position)
  }

  /** Looks for another leader if the source's key has changed. */
  async renew(): Promise<void> {
    const path = await placeOf(this.#folder, this.#source.key()).catch(() => this.#path)
    if (path === this.#path) return
    this.#isStale = true
    this.#link?.close()
    await this.#leader?.close()
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    const own = this.#own
    this.#own = undefined
    await Promise.all([this.#leader?.close(), own?.close(), this.#running, this.#retired])
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#turn()
        this.#problem = ''
      } catch (error) {
        if (this.#isClosed) return
        // Reports a lasting problem only once, such as a folder that can't be used.
        if (String(error) !== this.#problem) this.#deliver({ kind: 'error', error })
        this.#problem = String(error)
        await this.#pause()
      }
    }
  }

  /** Follows the leader until the link ends. Without a leader, becomes the leader. */
  async #turn(): Promise<void> {
    const path = await placeOf(this.#folder, this.#source.key())
    this.#path = path
    this.#isStale = false
    const take = (report: Report) => this.#leaderReport(report)
    const link = await LeaderLink.open(path, take, this.#closing.signal)
    const reason = typeof link === 'string' ? link : await this.#follow(link)
    const isLeaderless = typeof link === 'string' || reason === 'silent'
    if (this.#isClosed || this.#isStale || !isLeaderless) return
    // Leaves the lead to a process that can read.
    if (this.#failedAt !== undefined) return await this.#pause()
    const leader = await HostLeader.claim(path, reason !== 'missing', (position) =>
      this.#source.reach?.(position),
    )
    if (leader) await this.#lead(leader)
  }

  async #lead(leader: HostLeader): Promise<void> {
    this.#leader = leader
    const began = performance.now()
    const check = setInterval(() => {
      const since = this.#own ? this.#failedAt : began
      if (since !== undefined && performance.now() - since > FAILING_MS) void leader.close()
    }, FAILING_MS / 10).unref()
    try {
      if (this.#isClosed || this.#isStale) return
      await this.#openOwn()
      leader.admit(() => this.position)
      this.#become('leader', 'no other process did')
      await leader.ended
      this.#become('own', this.#failedAt === undefined ? 'another process took the lead' : 'its stream fails')
    } finally {
      clearInterval(check)
      this.#leader = undefined
      await leader.close()
    }
  }

  async #follow(link: LeaderLink): Promise<NoLeader> {
    this.#link = link
    if (this.#isStale) link.close()
    const began = performance.now()
    // Asks for a newer position if the own stream does not come to the leader's.
    const late = setTimeout(() => {
      if (!this.#isFollower) link.close()
    }, MEETING_MS).unref()
    try {
      const position = await link.welcome
      if (position !== undefined && !(this.#source.compare(this.position, position) >= 0))
        await this.#openOwn()
      this.#meet()
      const reason = await link.ended
      if (this.#isFollower) this.#become('own', `the leader ${LOSSES[reason]}`)
      if (performance.now() - began > SHORT_MS) this.#backoff.succeeded()
      else if (reason === 'dead') await this.#pause()
      return reason
    } finally {
      clearTimeout(late)
      this.#isFollower = false
      this.#link = undefined
      link.close()
    }
  }

  /** Changes from the own stream to the leader's reports once it has come to where they begin. */
  #meet(): void {
    const position = this.#link?.position
    if (this.#isFollower || position === undefined) return
    if (!(this.#source.compare(this.position, position) >= 0)) return
    this.#isFollower = true
    this.#become('follower', 'another process leads')
    this.#streams++
    const own = this.#own
    this.#own = undefined
    const closing = own?.close().catch((error: unknown) => this.#deliver({ kind: 'error', error }))
    this.#retired = Promise.all([this.#retired, closing])
    this.#recovered()
    this.#link?.begin()
    // The own stream may have been closed before it came to that position.
    this.reach(this.#wanted)
  }

  /** Follows an own stream, and waits before the next attempt. */
  async #pause(): Promise<void> {
    await this.#openOwn().catch((error: unknown) => this.#deliver({ kind: 'error', error }))
    await this.#backoff.wait()
  }

  /** Opens an own stream at the last position. */
  async #openOwn(): Promise<void> {
    if (this.#own || this.#isClosed) return
    const stream = ++this.#streams
    const from = this.position
    // Holds reports back until the subscription's position shows whether they continue from here.
    let held: Report[] | undefined = []
    const take = (report: Report) => {
      if (held && report.kind !== 'error') held.push(report)
      else this.#ownReport(stream, report)
    }
    const own = await this.#source.open(this.#listenerOf(take), from, this.#closing.signal)
    if (this.#isClosed) return await own.close()
    this.#own = own
    const { position } = own
    if (position !== from) {
      const reason = 'The history does not reach back to the position that the last leader had reported'
      this.#ownReport(stream, { kind: 'lost', reason, position })
    }
    const reports = held
    held = undefined
    for (const report of reports) this.#ownReport(stream, report)
    this.#recovered()
  }

  /** Reports the end of a failure: a quiet source may report nothing else for long. */
  #recovered(): void {
    if (this.#failedAt !== undefined) this.#deliver({ kind: 'progress', position: this.position })
  }

  #ownReport(stream: number, report: Report): void {
    if (stream !== this.#streams) return
    this.#deliver(report)
    this.#meet()
  }

  #leaderReport(report: Report): void {
    if (!this.#isFollower) {
      // The leader itself has no open stream yet.
      if (report.kind === 'error' && !this.#own) this.#deliver(report)
      return
    }
    const fresh = this.#freshOf(report)
    if (!fresh) return
    this.#source.received?.(fresh)
    this.#deliver(
      fresh.kind === 'changes'
        ? { ...fresh, changes: encodedUnlessShown(fresh, this.#listener.encoded) }
        : fresh,
    )
  }

  #listenerOf(take: (report: Report) => void): ChangeListener {
    return listenerOf(take, this.#listener.encoded)
  }

  /** Leaves out the changes that were reported before: the leader may be behind this process. */
  #freshOf(report: Report): Report | undefined {
    if (report.kind === 'error') return report
    const compare = (a: string, b: string) => this.#source.compare(a, b)
    const order = compare(report.position, this.position)
    if (order < 0) return undefined
    if (report.kind !== 'changes') return report
    const [first] = report.changes
    if (first && !(compare(first.position, this.position) <= 0)) return report
    const changes = report.changes.filter((change) => compare(change.position, this.position) > 0)
    const { position } = report
    return changes.length > 0 ? { kind: 'changes', changes, position } : { kind: 'progress', position }
  }

  #deliver(report: Report): void {
    if (this.#isClosed) return
    if (report.kind !== 'error') {
      this.#failedAt = undefined
      this.position = report.position
    } else if (!isWarning(report.error)) this.#failedAt ??= performance.now()
    this.#leader?.tell(report)
    passTo(this.#listener, report)
  }

  #become(role: HostRole, reason: string): void {
    if (role === this.#role || this.#isClosed) return
    this.#role = role
    this.#listener.role?.(role, reason)
  }
}

function isWarning(error: unknown): boolean {
  return error instanceof ParticleError && error.code === 'MISCONFIGURED'
}
