import { createServer, type ServerResponse } from 'node:http'
import type { Start } from '../candidate.ts'
import { deltaOf, personOf } from '../event.ts'

/** What a change costs at least: a new document in a Map, `JSON.stringify`, and one write a turn to each client. */
export const start: Start = ({ people }) => {
  const documents = new Map(Array.from({ length: people }, (_, id) => [id, personOf(id)]))
  const responses = new Set<ServerResponse>()
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
    response.flushHeaders()
    responses.add(response)
    response.once('close', () => responses.delete(response))
  })
  let number = 0
  return {
    server,
    wire: 'sse',
    path: '/',
    connections: () => responses.size,
    change: (count) => {
      let text = ''
      for (let index = 0; index < count; index++) {
        const delta = deltaOf(number++, people)
        const [, [, id, , note]] = delta
        const document = documents.get(id)
        if (document) documents.set(id, { ...document, note })
        text += `event: delta\ndata: ${JSON.stringify(delta)}\n\n`
      }
      const bytes = Buffer.from(text)
      for (const response of responses) response.write(bytes)
    },
  }
}
