import { Server } from '../../lib/server/server.ts'
import { memory } from '../../lib/source/memory/index.ts'

// Tells the primary process of a cluster what a server without a secret warns of in a worker.
const messages: string[] = []
new Server({
  dataSources: { users: { collection: memory().collection('users'), manifest: true } },
  onError: ({ message }) => messages.push(message),
})
process.send?.(messages)
