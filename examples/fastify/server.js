import { readFile } from 'node:fs/promises'
import middie from '@fastify/middie'
import fastify from 'fastify'
import particle from 'particle'
import { memory } from 'particle/memory'

const tasks = memory().collection('tasks')
await tasks.insertOne({ _id: '1', title: 'Try Fastify', done: false, note: 'not for browsers' })
const dataSources = { tasks: { collection: tasks, manifest: { title: true, done: true } } }

const app = fastify()

// These two lines mount Particle.
await app.register(middie)
app.use(particle.middleware({ dataSources }))

app.post('/tasks/:id/toggle', async (request, reply) => {
  const task = await tasks.findOne({ _id: request.params.id })
  if (!task) return reply.code(404).send()
  await tasks.updateOne({ _id: task._id }, { $set: { done: !task.done } })
  return reply.code(204).send()
})

const page = await readFile(new URL('index.html', import.meta.url))
app.get('/', (_request, reply) => reply.type('text/html').send(page))

const port = Number(process.env.PORT ?? 3000)
await app.listen({ port })
console.log(`Open http://localhost:${port}`)
