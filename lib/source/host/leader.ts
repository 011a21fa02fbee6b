import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { link, rename, stat, unlink } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { unusable } from './place.ts'
import { encode, Lines, type Report } from './wire.ts'

/** The interval of signs of life, and of the check that the path is still this process's, in milliseconds. */
const BEAT_MS = 1000
/** The bytes that may wait for a follower. One that is further behind reads the source by itself. */
const MAX_BEHIND = 16 * 1024 * 1024

/**
 * Holds the socket of a source on this host, and writes the reports of this process to all followers.
 *
 *     claimed: followers connect, and get signs of life --admit()--> each gets a welcome, then all reports
 *     another process has taken the path, or close() --> ended
 */
export class HostLeader {
  /** Resolves when this process is no longer the leader. */
  readonly ended: Promise<void>
  readonly #server: Server
  readonly #path: string
  readonly #inode: bigint
  readonly #reach: (position: string) => void
  readonly #sockets = new Set<Socket>()
  readonly #followers = new Set<Socket>()
  readonly #beat: NodeJS.Timeout
  #position: (() => string) | undefined
  #isQuiet = true
  #end: () => void = () => {}

  private constructor(server: Server, path: string, inode: bigint, reach: (position: string) => void) {
    this.#server = server
    this.#path = path
    this.#inode = inode
    this.#reach = reach
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    server.on('connection', (socket) => this.#connected(socket))
    server.on('error', () => void this.close())
    this.#beat = setInterval(() => void this.#check(), BEAT_MS).unref()
  }

  /**
   * Takes a path. Resolves to `undefined` if another process was faster.
   *
   * @param replace whether to take the path from a process that holds it, but is dead or silent
   * @param reach is called with a position that a follower waits for
   * @throws ParticleError `MISCONFIGURED` for a folder in which this process can't listen
   */
  static async claim(
    path: string,
    replace: boolean,
    reach: (position: string) => void,
  ): Promise<HostLeader | undefined> {
    // Listens under another name first, so that the path always leads to a listening process. Only a random
    // name is unique, since containers with one folder have equal process ids.
    const own = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
    const server = createServer().unref()
    let leader: HostLeader | undefined
    try {
      // Without `exclusive`, a worker of node:cluster would share the socket with the other workers.
      server.listen({ path: own, exclusive: true })
      await once(server, 'listening')
      leader = new HostLeader(server, path, (await stat(own, { bigint: true })).ino, reach)
      if (replace) await rename(own, path)
      else {
        await link(own, path)
        await unlink(own)
      }
      return leader
    } catch (error) {
      if (leader) await leader.close()
      else server.close()
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return undefined
      // Names the code alone, since the text of the error has the random name: it would be new each time.
      throw unusable(dirname(path), `no socket can be made in it (${code})`, error)
    }
  }

  /** Welcomes the followers, now and later, each with this process's position at that time. */
  admit(position: () => string): void {
    this.#position = position
    for (const socket of this.#sockets) this.#welcome(socket)
  }

  /** Writes a report to all followers. */
  tell(report: Report): void {
    // Tells errors also to those who still wait for the welcome.
    const receivers = report.kind === 'error' ? this.#sockets : this.#followers
    if (receivers.size === 0) return
    this.#isQuiet = false
    let bytes: Buffer
    try {
      bytes = Buffer.from(encode(report))
    } catch {
      // JSON can't express a value: the followers read the changes themselves.
      for (const socket of receivers) socket.destroy()
      return
    }
    for (const socket of receivers) {
      socket.write(bytes)
      if (socket.writableLength > MAX_BEHIND) socket.destroy()
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#beat)
    this.#end()
    if (await this.#isOurs().catch(() => false)) await unlink(this.#path).catch(() => {})
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #connected(socket: Socket): void {
    socket.unref()
    this.#sockets.add(socket)
    const lines = new Lines()
    socket.on('data', (bytes) => {
      try {
        // The last message has the latest position.
        const last = lines.take(bytes).at(-1)
        if (last?.kind === 'reach') this.#reach(last.position)
      } catch {
        socket.destroy()
      }
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#followers.delete(socket)
    })
    socket.write(encode({ kind: 'alive' }))
    this.#welcome(socket)
  }

  #welcome(socket: Socket): void {
    if (!this.#position) return
    this.#followers.add(socket)
    socket.write(encode({ kind: 'welcome', position: this.#position() }))
  }

  async #check(): Promise<void> {
    if (this.#isQuiet || !this.#position)
      for (const socket of this.#sockets) socket.write(encode({ kind: 'alive' }))
    this.#isQuiet = true
    if (!(await this.#isOurs().catch(() => false))) await this.close()
  }

  async #isOurs(): Promise<boolean> {
    return (await stat(this.#path, { bigint: true })).ino === this.#inode
  }
}
