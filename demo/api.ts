/** The REST calls that change the board, each checked: who may, and what. Nothing here knows of Particle, nor of where the board is kept. */

import express, { type ErrorRequestHandler, type Request, type Router } from 'express'
import { type Board, type Profile, person, todo, type User, users } from './board.ts'

/** What the page's controls do besides changes of the board. */
interface Controls {
  /** Applies the changed rights of a user to the user's open streams. */
  refresh(user: string): Promise<unknown>
  /** Sets the changes a second of the 10,000 rows. */
  setRate(rate: number): void
}

const PRIVATE: (keyof Profile)[] = ['email', 'salary', 'notes']

/**
 * The REST calls. They write to the store and answer 204; the change comes back to every view by itself.
 */
export function api(board: Board, { refresh, setRate }: Controls): Router {
  const router = express.Router()
  router.use(express.json({ limit: '10kb' }))

  /** The caller's teams: only people of these are there for the caller. */
  const joined = (request: Request) => board.teamsOf(caller(request).id)

  router.put('/teams/:id/membership', async (request, response) => {
    if (!(await board.join(caller(request).id, request.params.id)))
      throw new Refusal(404, 'There is no such team.')
    response.sendStatus(204)
  })

  router.delete('/teams/:id/membership', async (request, response) => {
    await board.leave(caller(request).id, request.params.id)
    response.sendStatus(204)
  })

  router.post('/people', async (request, response) => {
    const { name } = fields(managed(request).body, { name: text(1, 80) }, ['name'])
    const teams = await joined(request)
    if (teams.length === 0) throw new Refusal(403, 'Join a team first: a new person works where you do.')
    const added = person(teams, name)
    await board.add(added)
    response.status(201).json({ _id: added._id })
  })

  router.patch('/people/:id', async (request, response) => {
    const changes = fields(managed(request).body, {
      name: text(1, 80),
      role: text(0, 80),
      email: text(0, 120),
      salary: amount,
      notes: text(0, 1000),
    })
    if (!caller(request).seesPrivate && PRIVATE.some((field) => field in changes))
      throw new Refusal(403, 'Your right to the private fields was taken away.')
    found(await board.change(await joined(request), request.params.id, changes))
    response.sendStatus(204)
  })

  // In the demo, managers switch their own right. In your application, an administrator does so in your database.
  router.put('/rights/private', async (request, response) => {
    const { granted } = fields(managed(request).body, { granted: flag }, ['granted'])
    const { id } = caller(request)
    users.set(id, { ...caller(request), seesPrivate: granted })
    await refresh(id)
    response.sendStatus(204)
  })

  router.put('/rate', (request, response) => {
    const { rate } = fields(managed(request).body, { rate: amount }, ['rate'])
    if (rate > 10_000) throw new Refusal(400, 'The rate must be 10000 changes a second, or fewer.')
    setRate(rate)
    response.sendStatus(204)
  })

  router.delete('/people/:id', async (request, response) => {
    found(await board.remove(await joined(managed(request)), request.params.id))
    response.sendStatus(204)
  })

  router.post('/people/:id/todos', async (request, response) => {
    const teams = await joined(request)
    const { title } = fields(request.body, { title: text(1, 120) }, ['title'])
    const added = todo(title)
    found(await board.addTodo(teams, request.params.id, added))
    response.status(201).json({ _id: added._id })
  })

  router.patch('/people/:id/todos/:todo', async (request, response) => {
    const teams = await joined(request)
    const changes = fields(request.body, { title: text(1, 120), done: flag })
    found(await board.changeTodo(teams, request.params.id, request.params.todo, changes))
    response.sendStatus(204)
  })

  router.delete('/people/:id/todos/:todo', async (request, response) => {
    found(await board.removeTodo(await joined(request), request.params.id, request.params.todo))
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

function found(isThere: boolean): void {
  if (!isThere) throw new Refusal(404, 'That is not on the board any more.')
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
    // PostgreSQL has no NUL in its texts.
    if (trimmed === undefined || trimmed.length < least || trimmed.length > most || trimmed.includes('\0')) {
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
  // Express itself refuses what it can't read, such as a broken escape in an address.
  else if (status !== undefined && status >= 400 && status < 500)
    response.status(status).json({ error: 'The request is malformed.' })
  else {
    console.error(error)
    response.status(500).json({ error: 'The board could not be changed.' })
  }
}
