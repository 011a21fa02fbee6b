import type { Socket } from 'socket.io'
import type { Start } from '../candidate.ts'
import { personOf } from '../event.ts'
import { startSocketIo } from './socket.io.ts'

/**
 * Socket.IO that compresses each message for each client, however short. A client that comes gets all documents and
 * is let go, which says that this was all; with `stay` in its query it gets changes only.
 */
export const start: Start = ({ people }) => {
  const all = Array.from({ length: people }, (_, id) => personOf(id))
  return startSocketIo(people, { perMessageDeflate: { threshold: 0 } }, (io) => {
    io.on('connection', (socket: Socket) => {
      if (socket.handshake.query.stay) return
      socket.emit(
        'people',
        all.map(({ password: _, ...visible }) => visible),
      )
      socket.disconnect(true)
    })
  })
}
