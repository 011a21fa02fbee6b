import express from 'express'
import particle from 'particle'
import { memory } from 'particle/memory'

const tasks = memory().collection('tasks')
for (const title of ['Buy milk', 'Water the plants', 'Call Ann'])
  await tasks.insertOne({ title, done: false, note: 'not for browsers' })
const dataSources = {
  tasks: { collection: tasks, manifest: { title: true, done: true }, sort: { title: 1 } },
}

const app = express()
app.use(particle.middleware({ dataSources }))
app.use(express.static('dist'))

app.post('/tasks', express.json(), async (request, response) => {
  await tasks.insertOne({ title: String(request.body.title).slice(0, 100), done: false })
  response.sendStatus(201)
})

app.patch('/tasks/:id', express.json(), async (request, response) => {
  await tasks.updateOne({ _id: request.params.id }, { $set: { done: request.body.done === true } })
  response.sendStatus(204)
})

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Open http://localhost:${port}`))
