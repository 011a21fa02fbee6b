import { createServer, request as send } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** An HTTP proxy that at times answers by itself, as captive portals, firewalls and catch-all routes do. */
export interface Interloper {
  url: string
  /**
   * Answers all that is for Particle with this status and a page of HTML; ends the connections that are open.
   */
  answer(status: number): void
  /** Passes all on again. */
  pass(): void
  /** How many requests it has answered by itself since it last began to. */
  answered(): number
  close(): Promise<void>
}

/** Starts a proxy before a port of this machine. */
export async function startInterloper(target: number): Promise<Interloper> {
  let status: number | undefined
  let answered = 0
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    if (status !== undefined && request.url?.includes('/particle/')) {
      answered++
      request.resume()
      response.writeHead(status, { 'Content-Type': 'text/html' }).end('<!doctype html><h1>Please wait</h1>')
      return
    }
    const { method, url: path, headers } = request
    const onward = send({ port: target, host: '127.0.0.1', method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    response.once('close', () => onward.destroy())
    request.pipe(onward)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    answer: (code) => {
      status = code
      answered = 0
      cut()
    },
    pass: () => {
      status = undefined
    },
    answered: () => answered,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        cut()
      }),
  }
}
