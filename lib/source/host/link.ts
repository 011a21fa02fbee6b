import { createConnection, type Socket } from 'node:net'
import { encode, Lines, type Message, type Report } from './wire.ts'

/** The silence after which a leader is taken for stuck, in milliseconds. It writes at least every second. */
const SILENCE_MS = 4000

/** Names why there is no link: no socket, a socket without a process, or a silent process. */
export type NoLeader = 'missing' | 'dead' | 'silent'

/** Represents the connection of a follower to the host's leader. */
export class LeaderLink {
  /** Resolves to the position after which reports begin, or to `undefined` if the link ends first. */
  readonly welcome: Promise<string | undefined>
  /** Resolves to the reason when the link has ended. */
  readonly ended: Promise<NoLeader>
  /** The position after which reports begin; `undefined` before the welcome. */
  position: string | undefined
  readonly #socket: Socket
  readonly #take: (report: Report) => void
  readonly #lines = new Lines()
  /** The messages that came before `begin`. */
  #held: Message[] | undefined
  #heard = performance.now()
  #reason: NoLeader = 'dead'
  #welcomed: (position: string | undefined) => void = () => {}

  private constructor(path: string, take: (report: Report) => void, signal: AbortSignal) {
    this.#take = take
    this.#socket = createConnection({ path, signal }).unref()
    this.welcome = new Promise((resolve) => {
      this.#welcomed = resolve
    })
    this.#socket.on('data', (bytes) => this.#data(bytes))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') this.#reason = 'missing'
      // The leader accepts no more connections: it is stuck.
      if (error.code === 'EAGAIN') this.#reason = 'silent'
    })
    const watch = setInterval(() => this.#check(), SILENCE_MS / 4).unref()
    this.ended = new Promise((resolve) => {
      this.#socket.on('close', () => {
        clearInterval(watch)
        this.#welcomed(undefined)
        resolve(this.#reason)
      })
    })
  }

  /** Connects to the leader of a path. Resolves when the leader has written. `signal` closes the link. */
  static async open(
    path: string,
    take: (report: Report) => void,
    signal: AbortSignal,
  ): Promise<LeaderLink | NoLeader> {
    const link = new LeaderLink(path, take, signal)
    const heard = new Promise<LeaderLink>((resolve) => link.#socket.once('data', () => resolve(link)))
    return await Promise.race([heard, link.ended])
  }

  /** Begins to pass reports on. After the welcome, they wait for this call. */
  begin(): void {
    const held = this.#held ?? []
    this.#held = undefined
    this.#heard = performance.now()
    for (const message of held) this.#message(message)
    this.#socket.resume()
  }

  /** Asks the leader to come to a position soon. */
  reach(position: string): void {
    this.#socket.write(encode({ kind: 'reach', position }))
  }

  close(): void {
    this.#socket.destroy()
  }

  #data(bytes: Buffer): void {
    this.#heard = performance.now()
    try {
      for (const message of this.#lines.take(bytes)) this.#message(message)
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : undefined)
    }
  }

  #message(message: Message): void {
    if (this.#held) {
      this.#held.push(message)
      return
    }
    if (message.kind === 'welcome') {
      // Stops reading: what comes next waits in the leader's buffer, which has a bound.
      this.#held = []
      this.#socket.pause()
      this.position = message.position
      this.#welcomed(message.position)
      return
    }
    if (message.kind === 'alive' || message.kind === 'reach' || this.#socket.destroyed) return
    this.#take(message)
  }

  #check(): void {
    const isSilent = () => !this.#held && performance.now() - this.#heard > SILENCE_MS
    if (!isSilent()) return
    // Reads what has arrived first: perhaps this process itself was stopped.
    setImmediate(() => {
      if (!isSilent()) return
      this.#reason = 'silent'
      this.#socket.destroy()
    })
  }
}
