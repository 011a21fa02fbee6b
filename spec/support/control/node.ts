/**
 * One process of a server with the option `control`: `node --import tsx node.ts <options as JSON>`. Prints
 * `listening` when it serves. `POST /revoke` with `{ query, reason }` revokes on all processes.
 */
import express from 'express'
import { MongoClient } from 'mongodb'
import { Server } from '../../../lib/server/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'

export interface ControlNodeOptions {
  port: number
  url: string
  database: string
  secret: string
}

const { port, url, database, secret }: ControlNodeOptions = JSON.parse(process.argv[2] ?? '{}')
const client = new MongoClient(url, { serverSelectionTimeoutMS: 1_000 })
const db = mongo((await client.connect()).db(database))
const server = new Server({
  secret,
  identityLookup: (identity) => identity,
  dataSources: { notes: { manifest: true, collection: db.collection('notes') } },
  control: true,
  controlTimeout: 2_000,
})
const app = express()
app.post('/revoke', express.json(), async (request, response) => {
  response.json({ streams: await server.revoke(request.body.query, request.body.reason) })
})
app.get('/readyz', server.readyz())
app.use(server.middleware())
app.listen(port, '127.0.0.1', () => console.log('listening'))
