import { readFile } from 'node:fs/promises'
import Koa from 'koa'
import particle from 'particle'
import { memory } from 'particle/memory'

const tasks = memory().collection('tasks')
await tasks.insertOne({ _id: '1', title: 'Try Koa', done: false, note: 'not for browsers' })
const dataSources = { tasks: { collection: tasks, manifest: { title: true, done: true } } }

const app = new Koa()

// These lines mount Particle: `respond = false` leaves the answer to it.
const handler = particle.middleware({ dataSources })
app.use((context, next) => {
  if (!context.path.startsWith('/particle/')) return next()
  context.respond = false
  handler(context.req, context.res)
})

app.use(async (context, next) => {
  const [, id] = /^\/tasks\/([^/]+)\/toggle$/.exec(context.path) ?? []
  if (context.method !== 'POST' || id === undefined) return next()
  const task = await tasks.findOne({ _id: id })
  if (!task) return
  await tasks.updateOne({ _id: task._id }, { $set: { done: !task.done } })
  context.status = 204
})

const page = await readFile(new URL('index.html', import.meta.url), 'utf8')
app.use((context) => {
  if (context.path === '/') context.body = page
})

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Open http://localhost:${port}`))
