import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import type { Start } from '../candidate.ts'
import { operationOf } from '../event.ts'

/** The floor: a bare `http` server that writes one prepared buffer to each socket, framed as a chunk of the open response. */
export const start: Start = ({ people }) => {
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
    response.flushHeaders()
    const { socket } = request
    sockets.add(socket)
    response.once('close', () => sockets.delete(socket))
  })
  const prepared = new Map<number, Buffer>()
  return {
    server,
    wire: 'sse',
    path: '/',
    connections: () => sockets.size,
    change: (count) => {
      let bytes = prepared.get(count)
      if (!bytes) {
        bytes = prepare(count, people)
        prepared.set(count, bytes)
      }
      for (const socket of sockets) socket.write(bytes)
    },
  }
}

/** The event that Particle would send. */
function prepare(count: number, people: number): Buffer {
  const operations = Array.from({ length: count }, (_, number) => operationOf(number, people))
  const data = JSON.stringify(['people', ...operations])
  const text = `id: ${'x'.repeat(48)}\nevent: delta\ndata: ${data}\n\n`
  return Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`)
}
