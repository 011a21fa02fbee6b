import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import express from 'express'
import session from 'express-session'
import mongoose from 'mongoose'
import particle, { toScript } from 'particle'
import { mongo } from 'particle/mongo'
import passport from 'passport'
import { Strategy } from 'passport-local'

await mongoose.connect(process.env.MONGODB_URL ?? 'mongodb://127.0.0.1:27017/tasks?replicaSet=rs0')
const User = mongoose.model('User', { name: String, salt: String, hash: String })
const Task = mongoose.model('Task', {
  title: String,
  done: Boolean,
  owner: String,
  sharedWith: [String],
  note: String,
})

const hashOf = (password, salt) => scryptSync(password, salt, 32)
for (const name of ['ann', 'ben']) {
  const salt = randomBytes(16).toString('hex')
  const hash = hashOf(`${name}-secret`, salt).toString('hex') // the passwords of this example
  await User.updateOne({ name }, { $setOnInsert: { salt, hash } }, { upsert: true })
}
const isRight = (password, { salt, hash }) =>
  timingSafeEqual(hashOf(password, salt), Buffer.from(hash, 'hex'))

passport.use(
  new Strategy((name, password, done) => {
    User.findOne({ name })
      .then((user) => done(null, user && isRight(password, user) ? user : false))
      .catch(done)
  }),
)
passport.serializeUser((user, done) => done(null, user.name))
passport.deserializeUser((name, done) => User.findOne({ name }).then((user) => done(null, user), done))

const app = express()
app.set('view engine', 'ejs')
app.use(
  session({
    secret: process.env.SESSION_SECRET ?? 'only for this example',
    resave: false,
    saveUninitialized: false,
  }),
)
app.use(passport.session())

// Particle comes after the session, so that `request.user` is there, and before guards that redirect.
const server = new particle.Server({
  identityLookup: (_identity, _done, request) =>
    request.user ? { name: request.user.name, login: request.sessionID } : null,
  dataSources: {
    tasks: {
      collection: mongo(mongoose.connection.db).collection('tasks'),
      manifest: { title: true, done: true, owner: true, sharedWith: true },
      criteria: { $or: [{ owner: '@name' }, { sharedWith: '@name' }] },
    },
  },
})
app.use(server.middleware())

app.get('/login', (_request, response) => response.render('login'))
const authenticate = passport.authenticate('local', { successRedirect: '/', failureRedirect: '/login' })
app.post('/login', express.urlencoded(), authenticate)
app.use((request, response, next) => (request.user ? next() : response.redirect('/login')))

app.post('/logout', (request, response, next) => {
  const login = request.sessionID
  request.logout((error) => {
    if (error) return next(error)
    server.revoke({ login }, 'logged out').then(() => response.redirect('/login'), next)
  })
})

// The page has the tasks in its HTML, and goes on from there: nothing is sent twice.
app.get('/', async (request, response) => {
  const initial = await server.snapshot(request)
  response.render('tasks', { name: request.user.name, tasks: initial.data.tasks, initial: toScript(initial) })
})

app.post('/tasks', express.json(), async (request, response) => {
  await Task.create({ title: String(request.body.title), done: false, owner: request.user.name })
  response.sendStatus(201)
})

app.patch('/tasks/:id', express.json(), async (request, response) => {
  const mine = { _id: request.params.id, owner: request.user.name }
  const { done, shareWith } = request.body
  if (shareWith !== undefined) await Task.updateOne(mine, { $addToSet: { sharedWith: String(shareWith) } })
  if (done !== undefined) await Task.updateOne(mine, { done: done === true })
  response.sendStatus(204)
})

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Open http://localhost:${port}`))
