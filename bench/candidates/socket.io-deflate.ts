import type { Socket } from 'socket.io'
import type { Start } from '../candidate.ts'
import { personOf } from '../event.ts'
import { startSocketIo } from './socket.io.ts'

/** Socket.IO that compresses each message for each client, and tells a client that comes all documents. */
export const start: Start = ({ people }) => {
  const all = Array.from({ length: people }, (_, id) => personOf(id))
  return startSocketIo(people, { perMessageDeflate: { threshold: 1024 } }, (io) => {
    io.on('connection', (socket: Socket) => {
      socket.emit(
        'people',
        all.map(({ password: _, ...visible }) => visible),
      )
      // Says that this was all.
      socket.disconnect(true)
    })
  })
}
