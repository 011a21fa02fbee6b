import { randomBytes } from 'node:crypto'
import express from 'express'
import session from 'express-session'
import mongoose from 'mongoose'
import particle, { related } from 'particle'
import { mongo } from 'particle/mongo'
import { Group, Ticket, User } from './models.js'

const db = mongo(mongoose.connection.db)
const tickets = db.collection('tickets')
const groupsOfUser = related('@name').through(db.collection('groups'), 'members', '_id')
const ofMyDepartments = { department: { $in: '@departments' } }

const app = express()
app.use(express.static('public'))
app.use(session({ secret: randomBytes(32).toString('hex'), resave: false, saveUninitialized: false }))

const server = new particle.Server({
  identityLookup: async (_identity, _done, request) => {
    const user = await User.findById(request.session.name).lean()
    return user && { name: user._id, departments: user.departments }
  },
  // Looks the identity up again when the document of its user changes.
  dependsOn: [{ collection: db.collection('users'), criteria: { _id: '@name' } }],
  dataSources: {
    tickets: {
      collection: tickets,
      manifest: { subject: true, group: true, status: true, comments: { _id: true, from: true, text: true } },
      criteria: { $or: [{ group: groupsOfUser }, ofMyDepartments] },
    },
    // The same tickets, with the fields that only agents see. Customers get an empty list.
    work: {
      collection: tickets,
      manifest: { priority: true, department: true, notes: { _id: true, from: true, text: true } },
      criteria: ofMyDepartments,
    },
  },
})
app.use(server.middleware())
app.use(express.json())

app.post('/login', async (request, response) => {
  const user = await User.findById(String(request.body.name))
  if (!user) return response.sendStatus(401)
  request.session.name = user._id // a real application checks a password here
  response.sendStatus(204)
})

app.use(async (request, response, next) => {
  request.user = await User.findById(request.session.name)
  request.user ? next() : response.sendStatus(401)
})

app.post('/tickets', async (request, response) => {
  const group = await Group.findOne({ members: request.user._id })
  if (!group) return response.sendStatus(403)
  await Ticket.create({ subject: String(request.body.subject), group: group._id })
  response.sendStatus(201)
})

app.post('/tickets/:id/comments', async (request, response) => {
  const comments = { from: request.user._id, text: String(request.body.text) }
  const groups = await Group.find({ members: request.user._id }).distinct('_id')
  const mine = { $or: [{ group: { $in: groups } }, { department: { $in: request.user.departments } }] }
  await Ticket.updateOne({ _id: request.params.id, ...mine }, { $push: { comments } })
  response.sendStatus(204)
})

app.patch('/tickets/:id', async (request, response) => {
  const { note, status, department } = request.body
  const mine = { _id: request.params.id, department: { $in: request.user.departments } }
  const notes = { from: request.user._id, text: String(note) }
  if (note) await Ticket.updateOne(mine, { $push: { notes } })
  if (status) await Ticket.updateOne(mine, { status: String(status) })
  if (department) await Ticket.updateOne(mine, { department: String(department) })
  response.sendStatus(204)
})

app.put('/users/:id/departments', async (request, response) => {
  if (!request.user.admin) return response.sendStatus(403)
  await User.updateOne({ _id: request.params.id }, { departments: request.body.map(String) })
  response.sendStatus(204)
})

app.put('/groups/:id/members', async (request, response) => {
  if (!request.user.admin) return response.sendStatus(403)
  await Group.updateOne({ _id: request.params.id }, { members: request.body.map(String) })
  response.sendStatus(204)
})

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Open http://localhost:${port}`))
