import { createServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import type { Start } from '../candidate.ts'
import { deltaOf, personOf } from '../event.ts'

/**
 * Socket.IO that compresses each message for each client, however short. A client that comes gets all documents and
 * is let go, which says that this was all; with `stay` in its query it gets changes only.
 */
export const start: Start = ({ people }) => {
  const server = createServer()
  const io = new Server(server, { perMessageDeflate: { threshold: 0 } })
  const all = Array.from({ length: people }, (_, id) => personOf(id))
  io.on('connection', (socket: Socket) => {
    if (socket.handshake.query.stay) return
    socket.emit(
      'people',
      all.map(({ password: _, ...visible }) => visible),
    )
    socket.disconnect(true)
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
