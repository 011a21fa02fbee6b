import { readFile } from 'node:fs/promises'
import { serve } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import { Hono } from 'hono'
import particle from 'particle'
import { fetchHandler } from 'particle/fetch'
import { memory } from 'particle/memory'

const tasks = memory().collection('tasks')
await tasks.insertOne({ _id: '1', title: 'Try Hono', done: false, note: 'not for browsers' })
const dataSources = { tasks: { collection: tasks, manifest: { title: true, done: true } } }

const app = new Hono()

// These lines mount Particle.
const address = (_request, context) => getConnInfo(context).remote.address
const handler = fetchHandler(particle.middleware({ dataSources }), { address })
app.all('/particle/*', (context) => handler(context.req.raw, context))

app.post('/tasks/:id/toggle', async (context) => {
  const task = await tasks.findOne({ _id: context.req.param('id') })
  if (!task) return context.notFound()
  await tasks.updateOne({ _id: task._id }, { $set: { done: !task.done } })
  return context.body(null, 204)
})

const page = await readFile(new URL('index.html', import.meta.url), 'utf8')
app.get('/', (context) => context.html(page))

const port = Number(process.env.PORT ?? 3000)
serve({ fetch: app.fetch, port }, () => console.log(`Open http://localhost:${port}`))
