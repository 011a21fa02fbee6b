import { createServer } from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'
import type { Start } from '../candidate.ts'
import { deltaOf } from '../event.ts'

/** ws with the broadcast of its README, encoded once; compression is off, which is its default. */
export const start: Start = ({ people }) => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('error', console.error))
  let number = 0
  return {
    server,
    wire: 'websocket',
    path: '/',
    connections: () => sockets.clients.size,
    change: (count) => {
      for (let index = 0; index < count; index++) {
        const data = JSON.stringify(deltaOf(number++, people))
        for (const client of sockets.clients) if (client.readyState === WebSocket.OPEN) client.send(data)
      }
    },
  }
}
