import express from 'express'
import next from 'next'
import particle from 'particle'
import { memory } from 'particle/memory'

const port = Number(process.env.PORT ?? 3000)
const site = next({ dev: process.env.NODE_ENV !== 'production', port })
await site.prepare()

const tasks = memory().collection('tasks')
await tasks.insertOne({ _id: '1', title: 'Try Next.js', done: false, note: 'not for browsers' })
const dataSources = { tasks: { collection: tasks, manifest: { title: true, done: true } } }

const app = express()
app.use(particle.middleware({ dataSources }))

app.post('/tasks/:id/toggle', async (request, response) => {
  const task = await tasks.findOne({ _id: request.params.id })
  if (!task) return response.sendStatus(404)
  await tasks.updateOne({ _id: task._id }, { $set: { done: !task.done } })
  response.sendStatus(204)
})

// All other requests are for Next's pages.
const handler = site.getRequestHandler()
app.use((request, response) => handler(request, response))
const http = app.listen(port, () => console.log(`Open http://localhost:${port}`))
// Reloads pages in development.
http.on('upgrade', site.getUpgradeHandler())
