import { createServer } from 'node:http'
import { Server, type ServerOptions } from 'socket.io'
import type { Candidate, Start } from '../candidate.ts'
import { deltaOf } from '../event.ts'

/** Starts Socket.IO. `enter` is told of it before a client can come. */
export function startSocketIo(
  people: number,
  options: Partial<ServerOptions>,
  enter: (io: Server) => void,
): Candidate {
  const server = createServer()
  const io = new Server(server, options)
  enter(io)
  let number = 0
  return {
    server,
    wire: 'socket.io',
    path: '/socket.io/?EIO=4&transport=websocket',
    connections: () => io.of('/').sockets.size,
    change: (count) => {
      for (let index = 0; index < count; index++) io.emit('delta', deltaOf(number++, people))
    },
  }
}

/** Socket.IO over WebSockets, tuned as its pages on performance and memory advise: the first request of a session is let go. */
export const start: Start = ({ people }) =>
  startSocketIo(people, {}, (io) => {
    io.engine.on('connection', (socket: { request: unknown }) => {
      socket.request = null
    })
  })
