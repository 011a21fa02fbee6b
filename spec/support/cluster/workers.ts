// Workers of node:cluster that serve Particle, each at a port of its own: `node workers.ts <options as JSON>`. The primary starts a worker
// again that has died. Each worker prints `<index> <pid> <count>` when it has another number of change streams open.
import cluster from 'node:cluster'
import http from 'node:http'
import { type Db, MongoClient } from 'mongodb'
import { Server } from '../../../lib/server/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { teamSources } from './team.ts'

export interface WorkersOptions {
  ports: readonly number[]
  /** Of the MongoDB server. */
  url: string
  database: string
  secret: string
  /** How long clients may have been away, in milliseconds. */
  replay: number
  /** The folder of the sockets. */
  oncePerHost: string
}

const options: WorkersOptions = JSON.parse(process.argv[2] ?? '{}')

if (cluster.isPrimary) {
  const start = (index: number) => {
    cluster.fork({ INDEX: String(index) }).once('exit', () => start(index))
  }
  for (const index of options.ports.keys()) start(index)
} else await serve(Number(process.env.INDEX))

async function serve(index: number): Promise<void> {
  const { url, database, secret, replay, oncePerHost, ports } = options
  const client = await new MongoClient(url).connect()
  const db = counted(client.db(database), (count) => console.log(`${index} ${process.pid} ${count}`))
  const server = new Server({
    secret,
    heartbeat: 5000,
    replay: { ms: replay },
    identityLookup: (identity) => identity,
    dataSources: teamSources(mongo(db, { oncePerHost })),
  })
  http.createServer(server.middleware()).listen(ports[index], '127.0.0.1')
}

function counted(db: Db, tell: (count: number) => void): Db {
  const open = new Set<object>()
  const watch = db.watch.bind(db)
  db.watch = ((...given: Parameters<typeof watch>) => {
    const stream = watch(...given)
    open.add(stream)
    tell(open.size)
    stream.once('close', () => {
      open.delete(stream)
      tell(open.size)
    })
    return stream
  }) as typeof watch
  return db
}
