import { createServer } from 'node:http'
import { Server } from 'socket.io'
import type { Start } from '../candidate.ts'
import { deltaOf } from '../event.ts'

/** Socket.IO over WebSockets, tuned as its pages on performance and memory advise: the first request of a session is let go. */
export const start: Start = ({ people }) => {
  const server = createServer()
  const io = new Server(server)
  io.engine.on('connection', (socket: { request: unknown }) => {
    socket.request = null
  })
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
