import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP balancer: each connection goes to the next backend in turn that takes it, and nothing sticks to any. */
export class Balancer {
  readonly port: number
  readonly #listening: Server
  readonly #backends: readonly number[]
  readonly #sockets = new Set<Socket>()
  #turn = 0

  private constructor(listening: Server, backends: readonly number[]) {
    this.#listening = listening
    this.#backends = backends
    this.port = (listening.address() as AddressInfo).port
    listening.on('connection', (socket) => {
      this.#keep(socket)
      this.#pass(socket, this.#turn++, this.#backends.length)
    })
  }

  /** @param backends ports of this machine */
  static async start(backends: readonly number[]): Promise<Balancer> {
    const listening = createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    return new Balancer(listening, backends)
  }

  close(): void {
    this.#listening.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #pass(socket: Socket, turn: number, tries: number): void {
    const port = this.#backends[turn % this.#backends.length]
    if (tries === 0 || port === undefined) {
      socket.destroy()
      return
    }
    const backend = connect(port, '127.0.0.1')
    let connected = false
    backend.once('connect', () => {
      connected = true
      socket.pipe(backend).pipe(socket)
    })
    this.#keep(backend)
    backend.once('close', () => {
      if (connected) socket.destroy()
      else if (!socket.destroyed) this.#pass(socket, turn + 1, tries - 1)
    })
    socket.once('close', () => backend.destroy())
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
