/**
 * One node that can close: `node.ts <options as JSON>`, bundled. Prints `listening` once it
 * serves, `closed` once `http.close()` has ended after a SIGTERM.
 */
import http from 'node:http'
import { Server } from '../../../lib/server/index.ts'
import { memory } from '../../../lib/source/memory/index.ts'

export interface ClosingOptions {
  port: number
  secret: string
  /** What it does on SIGTERM, in this order. */
  steps: ('disconnect' | 'close')[]
}

const { port, secret, steps }: ClosingOptions = JSON.parse(process.argv[2] ?? '{}')

const notes = memory().collection('notes')
await notes.insertOne({ _id: 1, port })
const server = new Server({
  secret,
  identityLookup: (identity) => identity,
  dataSources: { notes: { manifest: true, collection: notes } },
})
const listening = http.createServer(server.middleware())
listening.listen(port, '127.0.0.1', () => console.log('listening'))

process.on('SIGTERM', () => {
  const run = {
    disconnect: () => server.disconnect(),
    close: () => void listening.close(() => console.log('closed')),
  }
  for (const step of steps) void run[step]()
})

let before = 0
setInterval(() => {
  const { connections } = server.stats()
  if (connections !== before) console.log(`open ${connections}`)
  before = connections
}, 20)
