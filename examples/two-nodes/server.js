import express from 'express'
import particle from 'particle'
import { redis } from 'particle/redis'
import { createClient } from 'redis'

const name = process.env.NODE_NAME ?? 'node'
const client = await createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' })
  .on('error', (error) => console.error(error)) // without a listener, a lost connection ends the process
  .connect()

// Writes add an entry to the stream `changes`. Therefore a page goes on where it was, on any node.
const db = redis(client, { stream: 'changes' })
const tasks = db.collection('tasks', { type: 'json' })
if (!(await client.exists('tasks:1')))
  await tasks.set('1', { title: 'Stop a node', done: false, note: 'not for browsers' })

const server = new particle.Server({
  secret: process.env.PARTICLE_SECRET ?? 'only for this example', // the same on all nodes
  dataSources: { tasks: { collection: tasks, manifest: { title: true, done: true } } },
})

const app = express()
app.use(server.middleware())
app.get('/readyz', server.readyz())
app.use(express.static('public'))

app.post('/tasks/:id', express.json(), async (request, response) => {
  await tasks.update(request.params.id, { done: request.body.done === true })
  response.set('X-Node', name).sendStatus(204)
})

const port = Number(process.env.PORT ?? 3000)
const http = app.listen(port, () => console.log(`${name} listens on port ${port}`))

process.on('SIGTERM', async () => {
  const closed = new Promise((resolve) => http.close(resolve))
  await server.disconnect()
  setTimeout(process.exit, 5_000).unref()
  await closed
  process.exit()
})
