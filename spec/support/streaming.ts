/** A server of its own process: `streaming.ts <host> <heartbeat>` prints its port, and from then on how many streams are open. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'

const [host = '127.0.0.1', heartbeat = '15000'] = process.argv.slice(2)
const users = memory().collection('users')
const server = new Server({
  dataSources: { users: { manifest: true, collection: users } },
  heartbeat: Number(heartbeat),
})
const listening = createServer(server.middleware()).listen(0, host)
await once(listening, 'listening')
console.log(`port ${(listening.address() as AddressInfo).port}`)

let before = 0
setInterval(() => {
  const { connections } = server.stats()
  if (connections !== before) console.log(`open ${connections}`)
  before = connections
}, 20)
