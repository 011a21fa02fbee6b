import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP line to a server of this machine, which can stall and break. */
export class Line {
  readonly port: number
  readonly #listening: Server
  readonly #sockets = new Set<Socket>()
  #stalls = 0

  private constructor(listening: Server, to: number) {
    this.#listening = listening
    this.port = (listening.address() as AddressInfo).port
    listening.on('connection', (near) => {
      const far = connect(to, '127.0.0.1')
      this.#join(near, far)
      this.#join(far, near)
    })
  }

  static async open(to: number): Promise<Line> {
    const listening = createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    return new Line(listening, to)
  }

  /** Passes nothing on for so many milliseconds, and loses nothing. */
  async stall(ms: number): Promise<void> {
    this.#stalls++
    for (const socket of this.#sockets) socket.pause()
    await new Promise((resolve) => setTimeout(resolve, ms))
    if (--this.#stalls === 0) for (const socket of this.#sockets) socket.resume()
  }

  /** Ends all connections, in the middle of what they carry. */
  break(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  close(): void {
    this.#listening.close()
    this.break()
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    from.on('data', (chunk) => {
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => {
      if (this.#stalls === 0) from.resume()
    })
    from.on('end', () => to.end())
    from.on('error', () => {})
    from.once('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
    if (this.#stalls > 0) from.pause()
  }
}
