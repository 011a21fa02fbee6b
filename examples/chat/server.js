import { randomBytes } from 'node:crypto'
import express from 'express'
import session from 'express-session'
import particle from 'particle'
import { memory } from 'particle/memory'

const db = memory()
const rooms = db.collection('rooms')
const messages = db.collection('messages')
await rooms.insertMany(['lobby', 'garden'].map((_id) => ({ _id, members: [] })))

const app = express()
app.use(express.static('public'))
app.use(session({ secret: randomBytes(32).toString('hex'), resave: false, saveUninitialized: false }))

const server = new particle.Server({
  identityLookup: (_identity, _done, request) =>
    request.session.name ? { name: request.session.name } : null,
  dataSources: {
    rooms: { collection: rooms, manifest: { members: true } },
    messages: {
      collection: messages,
      manifest: { from: true, text: true, at: true },
      params: { room: 'string' },
      criteria: { room: ':room' },
      // Asks who is in the room: only members may watch its messages.
      allow: async ({ name }, { room }) => (await rooms.findOne({ _id: room, members: name })) !== null,
      sort: { at: -1 },
      limit: 20,
      maxLimit: 500,
    },
  },
})
app.use(server.middleware())

app.post('/login', express.json(), (request, response) => {
  const name = String(request.body.name).trim().slice(0, 30)
  if (name === '') return response.sendStatus(400)
  request.session.name = name // a real application checks a password here
  response.sendStatus(204)
})

app.use((request, response, next) => (request.session.name ? next() : response.sendStatus(401)))

app.post('/rooms/:room/join', async (request, response) => {
  await rooms.updateOne({ _id: request.params.room }, { $addToSet: { members: request.session.name } })
  response.sendStatus(204)
})

app.post('/rooms/:room/leave', async (request, response) => {
  const { name } = request.session
  await rooms.updateOne({ _id: request.params.room }, { $pull: { members: name } })
  // Asks `allow` again, so that the messages disappear from all pages of this person.
  await server.refresh((identity) => identity.name === name)
  response.sendStatus(204)
})

app.post('/rooms/:room/messages', express.json(), async (request, response) => {
  const { name } = request.session
  const { room } = request.params
  if (!(await rooms.findOne({ _id: room, members: name }))) return response.sendStatus(403)
  const text = String(request.body.text).slice(0, 500)
  await messages.insertOne({ room, from: name, text, at: Date.now() })
  response.sendStatus(201)
})

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Open http://localhost:${port}`))
