/** The board: what is on it, who uses it, and what can be done to it, wherever it is kept. Its stores are in stores/. */

import { randomUUID } from 'node:crypto'
import type { CollectionHandle } from 'particle'

export type Todo = {
  _id: string
  title: string
  done: boolean
}

export type Team = {
  _id: string
  name: string
}

/** That a user is in a team. */
export type Membership = {
  _id: string
  user: string
  team: string
}

export type Person = {
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
  /** When, in milliseconds: the order on the board. */
  added: number
}

/** What a manager edits of a person. */
export type Profile = Pick<Person, 'name' | 'role' | 'email' | 'salary' | 'notes'>

/** What the server knows of a user. A real application has this in its session or its database. */
export interface User {
  id: string
  name: string
  /** A manager sees all of a team and edits its people; the others see names, roles and to-dos, and edit to-dos. */
  manager?: boolean
  /** Says whether a manager sees and edits e-mail, salary and notes. The page's switch changes it. */
  seesPrivate?: boolean
}

export const users = new Map<unknown, User>([
  ['ada', { id: 'ada', name: 'Ada', manager: true, seesPrivate: true }],
  ['ben', { id: 'ben', name: 'Ben' }],
])

/** What the application does to its data: each store does it in its own way, and all that its callers know is this. */
export interface Board {
  teamsOf(user: string): Promise<string[]>
  /** False where there is no such team. */
  join(user: string, team: string): Promise<boolean>
  leave(user: string, team: string): Promise<void>
  add(person: Person): Promise<void>

  // These are about a person of any of these teams. False where there is none, or no such to-do.
  change(teams: string[], person: string, changes: Partial<Profile>): Promise<boolean>
  remove(teams: string[], person: string): Promise<boolean>
  addTodo(teams: string[], person: string, todo: Todo): Promise<boolean>
  changeTodo(
    teams: string[],
    person: string,
    todo: string,
    changes: Partial<Omit<Todo, '_id'>>,
  ): Promise<boolean>
  removeTodo(teams: string[], person: string, todo: string): Promise<boolean>
}

/** A board that is open: `board` is what the REST calls use, `collections` are what Particle follows. */
export interface Store {
  /** Where it is, for people. */
  name: string
  board: Board
  collections: {
    people: CollectionHandle<Person>
    teams: CollectionHandle<Team>
    memberships: CollectionHandle<Membership>
  }
  close(): Promise<void>
}

export function membership(user: string, team: string): Membership {
  return { _id: `${user} ${team}`, user, team }
}

export function person(teams: string[], name: string, rest: Partial<Person> = {}): Person {
  const empty = { role: '', email: '', salary: 0, notes: '', todos: [] }
  return { _id: randomUUID(), teams, name, ...empty, added: Date.now(), ...rest }
}

export function todo(title: string, done = false): Todo {
  return { _id: randomUUID(), title, done }
}

/** What a store puts on an empty board: two teams, and people in one or both. Ada and Ben begin in the first. */
export const sample = {
  teams: [
    { _id: 'apollo', name: 'Apollo' },
    { _id: 'gemini', name: 'Gemini' },
  ],
  memberships: [...users.values()].map(({ id }) => membership(id, 'apollo')),
  people: [
    person(['apollo'], 'Ada Okafor', {
      _id: 'ada-okafor',
      role: 'Team lead',
      email: 'ada@apollo.example',
      salary: 88_000,
      notes: 'Wants to hand over the on-call rota by spring.',
      todos: [todo('Write the launch checklist', true), todo('Book the room for the review')],
      added: 1,
    }),
    person(['apollo'], 'Ben Ito', {
      _id: 'ben-ito',
      role: 'Designer',
      email: 'ben@apollo.example',
      salary: 67_500,
      notes: 'Promotion is due in June. Not announced yet.',
      todos: [todo('Redraw the empty states'), todo('Check contrast in dark mode', true)],
      added: 2,
    }),
    person(['apollo', 'gemini'], 'Chloé Martin', {
      _id: 'chloe-martin',
      role: 'Engineer',
      email: 'chloe@apollo.example',
      salary: 74_000,
      notes: 'Prefers to work from Lyon on Fridays.',
      todos: [todo('Measure the cold start')],
      added: 3,
    }),
    person(['gemini'], 'Dag Solberg', {
      _id: 'dag-solberg',
      role: 'Analyst',
      email: 'dag@gemini.example',
      salary: 61_000,
      added: 4,
    }),
  ],
}
