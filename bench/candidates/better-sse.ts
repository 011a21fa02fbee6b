import { createServer } from 'node:http'
import { createChannel, createEventBuffer, createSession } from 'better-sse'
import express from 'express'
import type { Start } from '../candidate.ts'
import { deltaOf } from '../event.ts'

/** better-sse as its guides advise: a channel that broadcasts, and where several events are sent at once, a batch from one event buffer. */
export const start: Start = ({ people }) => {
  const channel = createChannel()
  const app = express()
  app.get('/stream', async (request, response) => {
    channel.register(await createSession(request, response))
  })
  let number = 0
  return {
    server: createServer(app),
    wire: 'sse',
    path: '/stream',
    connections: () => channel.sessionCount,
    change: (count) => {
      if (count === 1) {
        channel.broadcast(deltaOf(number++, people), 'delta')
        return
      }
      const buffer = createEventBuffer()
      for (let index = 0; index < count; index++) buffer.push(deltaOf(number++, people), 'delta')
      for (const session of channel.activeSessions) void session.batch(buffer)
    },
  }
}
