import { Server } from '../../lib/server/server.ts'

// Tells the primary process of a cluster what a server without a secret warns of in a worker.
const messages: string[] = []
new Server({ dataSources: {}, onError: ({ message }) => messages.push(message) })
process.send?.(messages)
