import { createServer, type ServerResponse } from 'node:http'
import express from 'express'
import type { Start } from '../candidate.ts'
import { deltaOf, personOf } from '../event.ts'

/** Express by itself: server-sent events as any tutorial writes them, and all documents as one JSON. */
export const start: Start = ({ people }) => {
  const responses = new Set<ServerResponse>()
  const all = Array.from({ length: people }, (_, id) => personOf(id))
  const app = express()
  app.get('/stream', (_request, response) => {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache',
      Connection: 'keep-alive',
    })
    response.flushHeaders()
    responses.add(response)
    response.once('close', () => responses.delete(response))
  })
  // The documents as the first event of a stream.
  app.get('/first', (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
    response.flushHeaders()
    responses.add(response)
    response.once('close', () => responses.delete(response))
    const data = all.map(({ password: _, ...visible }) => visible)
    response.write(`event: payload\ndata: ${JSON.stringify({ root: 'people', data })}\n\n`)
  })
  app.get('/all', (_request, response) => {
    const data = all.map(({ password: _, ...visible }) => visible)
    response.set('Connection', 'close').json(data)
  })
  let number = 0
  return {
    server: createServer(app),
    wire: 'sse',
    path: '/stream',
    connections: () => responses.size,
    change: (count) => {
      for (let index = 0; index < count; index++) {
        const text = `event: delta\ndata: ${JSON.stringify(deltaOf(number++, people))}\n\n`
        for (const response of responses) response.write(text)
      }
    },
  }
}
