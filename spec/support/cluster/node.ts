// One Particle process of a cluster: `node --import tsx node.ts <options as JSON>`. It prints `listening` once it serves.
import http from 'node:http'
import { MongoClient } from 'mongodb'
import { Server } from '../../../lib/server/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { NodeOptions } from './cluster.ts'
import { teamSources } from './team.ts'

const { port, url, database, secret, heartbeat, replay }: NodeOptions = JSON.parse(process.argv[2] ?? '{}')

const client = new MongoClient(url)
const server = new Server({
  secret,
  heartbeat,
  replay: { ms: replay },
  identityLookup: (identity) => identity,
  dataSources: teamSources(mongo(client.db(database))),
  disconnect: () => client.close(),
})
await client.connect()
http.createServer(server.middleware()).listen(port, '127.0.0.1', () => console.log('listening'))
