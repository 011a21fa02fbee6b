/** The board: what is on it, who may do what, and the REST calls that change it. Nothing here knows of Particle. */

import { randomUUID } from 'node:crypto'
import express, { type ErrorRequestHandler, type Request, type Router } from 'express'

export interface Todo {
  _id: string
  title: string
  done: boolean
}

export interface Team {
  _id: string
  name: string
}

/** That a user is in a team. */
export interface Membership {
  _id: string
  user: string
  team: string
}

export interface Person {
  _id: string
  /** The teams that this person works in: one or both. */
  teams: string[]
  name: string
  role: string
  email: string
  /** Euros a year. */
  salary: number
  notes: string
  todos: Todo[]
}

/** What the server knows of a user. A real application has this in its session or its database. */
export interface User {
  id: string
  name: string
  /** A manager sees all of a team and edits its people; the others see names, roles and to-dos, and edit to-dos. */
  manager?: boolean
}

export const users = new Map<unknown, User>([
  ['ada', { id: 'ada', name: 'Ada', manager: true }],
  ['ben', { id: 'ben', name: 'Ben' }],
])

/** As much of a collection as the board needs: a memory collection and one of the MongoDB driver both have it. */
export interface Table<T> {
  find(query: object): { toArray(): Promise<T[]> }
  findOne(query: object): Promise<T | null>
  insertMany(documents: T[]): Promise<unknown>
  insertOne(document: T): Promise<unknown>
  updateOne(query: object, update: object, options?: { upsert?: boolean }): Promise<{ matchedCount: number }>
  deleteOne(query: object): Promise<{ deletedCount: number }>
}

/** All that is on the board. */
export interface Tables {
  people: Table<Person>
  teams: Table<Team>
  memberships: Table<Membership>
}

/** Puts two teams on an empty board, and people in one or both. Ada and Ben begin in the first. */
export async function seed({ people, teams, memberships }: Tables): Promise<void> {
  if (await people.findOne({})) return
  await teams.insertMany([
    { _id: 'apollo', name: 'Apollo' },
    { _id: 'gemini', name: 'Gemini' },
  ])
  await memberships.insertMany([...users.values()].map(({ id }) => membership(id, 'apollo')))
  await people.insertMany([
    person(['apollo'], 'Ada Okafor', {
      role: 'Team lead',
      email: 'ada@apollo.example',
      salary: 88_000,
      notes: 'Wants to hand over the on-call rota by spring.',
      todos: [todo('Write the launch checklist', true), todo('Book the room for the review')],
    }),
    person(['apollo'], 'Ben Ito', {
      role: 'Designer',
      email: 'ben@apollo.example',
      salary: 67_500,
      notes: 'Promotion is due in June. Not announced yet.',
      todos: [todo('Redraw the empty states'), todo('Check contrast in dark mode', true)],
    }),
    person(['apollo', 'gemini'], 'Chloé Martin', {
      role: 'Engineer',
      email: 'chloe@apollo.example',
      salary: 74_000,
      notes: 'Prefers to work from Lyon on Fridays.',
      todos: [todo('Measure the cold start')],
    }),
    person(['gemini'], 'Dag Solberg', { role: 'Analyst', email: 'dag@gemini.example', salary: 61_000 }),
  ])
}

function membership(user: string, team: string): Membership {
  return { _id: `${user} ${team}`, user, team }
}

function person(teams: string[], name: string, rest: Partial<Person> = {}): Person {
  return { _id: randomUUID(), teams, name, role: '', email: '', salary: 0, notes: '', todos: [], ...rest }
}

function todo(title: string, done = false): Todo {
  return { _id: randomUUID(), title, done }
}

/** The REST calls. They write to the collections and answer 204; the change comes back to every view by itself. */
export function api({ people, teams, memberships }: Tables): Router {
  const router = express.Router()
  router.use(express.json({ limit: '10kb' }))

  /** The people that the caller may see: those of the caller's teams. */
  const own = async (request: Request) => {
    const joined = await memberships.find({ user: caller(request).id }).toArray()
    return { teams: { $in: joined.map(({ team }) => team) } }
  }

  router.put('/teams/:id/membership', async (request, response) => {
    const { _id, ...rest } = membership(caller(request).id, request.params.id)
    if (!(await teams.findOne({ _id: rest.team }))) throw new Refusal(404, 'There is no such team.')
    await memberships.updateOne({ _id }, { $set: rest }, { upsert: true })
    response.sendStatus(204)
  })

  router.delete('/teams/:id/membership', async (request, response) => {
    await memberships.deleteOne({ _id: membership(caller(request).id, request.params.id)._id })
    response.sendStatus(204)
  })

  router.post('/people', async (request, response) => {
    const { name } = fields(request.body, { name: text(1, 80) }, ['name'])
    const { $in: joined } = (await own(managed(request))).teams
    if (joined.length === 0) throw new Refusal(403, 'Join a team first: a new person works where you do.')
    const added = person(joined, name)
    await people.insertOne(added)
    response.status(201).json({ _id: added._id })
  })

  router.patch('/people/:id', async (request, response) => {
    const mine = await own(managed(request))
    const changes = fields(request.body, {
      name: text(1, 80),
      role: text(0, 80),
      email: text(0, 120),
      salary: amount,
      notes: text(0, 1000),
    })
    found(await people.updateOne({ _id: request.params.id, ...mine }, { $set: changes }))
    response.sendStatus(204)
  })

  router.delete('/people/:id', async (request, response) => {
    const { deletedCount } = await people.deleteOne({
      _id: request.params.id,
      ...(await own(managed(request))),
    })
    found({ matchedCount: deletedCount })
    response.sendStatus(204)
  })

  router.post('/people/:id/todos', async (request, response) => {
    const { title } = fields(request.body, { title: text(1, 120) }, ['title'])
    const added = todo(title)
    found(
      await people.updateOne(
        { _id: request.params.id, ...(await own(request)) },
        { $push: { todos: added } },
      ),
    )
    response.status(201).json({ _id: added._id })
  })

  router.patch('/people/:id/todos/:todo', async (request, response) => {
    const changes = fields(request.body, { title: text(1, 120), done: flag })
    const $set = Object.fromEntries(
      Object.entries(changes).map(([field, value]) => [`todos.$.${field}`, value]),
    )
    const query = { _id: request.params.id, ...(await own(request)), 'todos._id': request.params.todo }
    found(await people.updateOne(query, { $set }))
    response.sendStatus(204)
  })

  router.delete('/people/:id/todos/:todo', async (request, response) => {
    const query = { _id: request.params.id, ...(await own(request)), 'todos._id': request.params.todo }
    found(await people.updateOne(query, { $pull: { todos: { _id: request.params.todo } } }))
    response.sendStatus(204)
  })

  router.use(() => {
    throw new Refusal(404, 'There is no such call.')
  })
  router.use(explain)
  return router
}

/** An answer that is not a success, with a sentence for the person at the screen. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Who calls. The demo has no sign-in and believes this header; yours looks at the session. */
function caller(request: Request): User {
  const user = users.get(request.get('x-user'))
  if (!user) throw new Refusal(401, 'Who are you? Send the header X-User: ada or X-User: ben.')
  return user
}

/** The request, if its caller is a manager. */
function managed<T extends Request>(request: T): T {
  if (!caller(request).manager) throw new Refusal(403, 'Only a manager can change people.')
  return request
}

function found({ matchedCount }: { matchedCount: number }): void {
  if (matchedCount === 0) throw new Refusal(404, 'That is not on the board any more.')
}

type Read<T> = (value: unknown, field: string) => T

/** Takes the fields it knows out of a request's body, each checked; refuses a body with others, or with none. */
function fields<T extends object, Required extends keyof T = never>(
  body: unknown,
  known: { [Field in keyof T]: Read<T[Field]> },
  required: Required[] = [],
): Partial<T> & Pick<T, Required> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Refusal(400, 'The body must be a JSON object, sent as application/json.')
  }
  const sent = body as Record<string, unknown>
  const unknown = Object.keys(sent).find((field) => !Object.hasOwn(known, field))
  if (unknown !== undefined) throw new Refusal(400, `There is no field ${JSON.stringify(unknown)} to change.`)
  const names = (Object.keys(known) as (keyof T & string)[]).filter(
    (field) => Object.hasOwn(sent, field) || (required as (keyof T)[]).includes(field),
  )
  if (names.length === 0) throw new Refusal(400, `Name a field to change: ${Object.keys(known).join(', ')}.`)
  return Object.fromEntries(names.map((field) => [field, known[field](sent[field], field)])) as Partial<T> &
    Pick<T, Required>
}

function text(least: number, most: number): Read<string> {
  return (value, field) => {
    const trimmed = typeof value === 'string' ? value.trim() : undefined
    if (trimmed === undefined || trimmed.length < least || trimmed.length > most) {
      throw new Refusal(400, `The ${field} must be text of ${least} to ${most} characters.`)
    }
    return trimmed
  }
}

const amount: Read<number> = (value, field) => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > 1e9) {
    throw new Refusal(400, `The ${field} must be a number of euros, 0 or more.`)
  }
  return value
}

const flag: Read<boolean> = (value, field) => {
  if (typeof value !== 'boolean') throw new Refusal(400, `The field ${field} must be true or false.`)
  return value
}

const explain: ErrorRequestHandler = (error, _request, response, _next) => {
  const { status, type } = error as { status?: number; type?: string }
  if (error instanceof Refusal) response.status(error.status).json({ error: error.message })
  else if (type === 'entity.parse.failed') response.status(400).json({ error: 'The body is not valid JSON.' })
  else if (status === 413) response.status(413).json({ error: 'The body is too large: 10 kB at the most.' })
  else {
    console.error(error)
    response.status(500).json({ error: 'The board could not be changed.' })
  }
}
