/** The board in MongoDB, or in this process's memory, whose collections have the methods of the driver's. */

import { memory } from 'particle/memory'
import { mongo } from 'particle/mongo'
import {
  type Board,
  type Membership,
  membership,
  type Person,
  type Store,
  sample,
  type Team,
} from '../board.ts'

/** A board that goes with this process. */
export async function openMemory(): Promise<Store> {
  const store = memory()
  const tables = tablesOf(store)
  await fill(tables)
  return { name: 'memory', board: boardOf(tables), collections: collectionsOf(store), close: async () => {} }
}

/** A board in the database `particle_board`, which stays. Change streams need a replica set. */
export async function openMongo(url: string): Promise<Store> {
  const { MongoClient } = await import('mongodb') // the board in memory starts without the driver
  const client = await MongoClient.connect(url, { serverSelectionTimeoutMS: 5000 })
  const db = client.db('particle_board')
  const tables = tablesOf(db) // written to by the driver, from wherever it may be
  await fill(tables)
  return {
    name: 'MongoDB, database particle_board',
    board: boardOf(tables),
    collections: collectionsOf(mongo(db)),
    close: () => client.close(),
  }
}

/** As much of a collection as the board needs: a memory collection and one of the MongoDB driver both have it. */
interface Table<T> {
  find(query: object): { toArray(): Promise<T[]> }
  findOne(query: object): Promise<T | null>
  insertOne(document: T): Promise<unknown>
  replaceOne(query: object, document: T, options: { upsert: true }): Promise<unknown>
  updateOne(query: object, update: object): Promise<{ matchedCount: number }>
  deleteOne(query: object): Promise<{ deletedCount: number }>
}

interface Tables {
  people: Table<Person>
  teams: Table<Team>
  memberships: Table<Membership>
}

function tablesOf(store: { collection(name: string): unknown }): Tables {
  const table = <T>(name: string) => store.collection(name) as Table<T>
  return { people: table('people'), teams: table('teams'), memberships: table('memberships') }
}

function collectionsOf(store: Pick<ReturnType<typeof mongo>, 'collection'>): Store['collections'] {
  return {
    people: store.collection<Person>('people'),
    teams: store.collection<Team>('teams'),
    memberships: store.collection<Membership>('memberships'),
  }
}

/** The teams come last: where there are some, all is there. */
async function fill({ people, teams, memberships }: Tables): Promise<void> {
  if (await teams.findOne({})) return
  const put = async <T extends { _id: string }>(table: Table<T>, documents: T[]) => {
    for (const document of documents)
      await table.replaceOne({ _id: document._id }, document, { upsert: true })
  }
  await put(people, sample.people)
  await put(memberships, sample.memberships)
  await put(teams, sample.teams)
}

function boardOf({ people, teams, memberships }: Tables): Board {
  const update = async (query: object, change: object) =>
    (await people.updateOne(query, change)).matchedCount > 0

  return {
    async teamsOf(user) {
      return (await memberships.find({ user }).toArray()).map(({ team }) => team)
    },

    async join(user, team) {
      if (!(await teams.findOne({ _id: team }))) return false
      const joined = membership(user, team)
      await memberships.replaceOne({ _id: joined._id }, joined, { upsert: true })
      return true
    },

    async leave(user, team) {
      await memberships.deleteOne({ _id: membership(user, team)._id })
    },

    async add(person) {
      await people.insertOne(person)
    },

    change: (mine, _id, changes) => update({ _id, teams: { $in: mine } }, { $set: changes }),

    async remove(mine, _id) {
      return (await people.deleteOne({ _id, teams: { $in: mine } })).deletedCount > 0
    },

    addTodo: (mine, _id, todo) => update({ _id, teams: { $in: mine } }, { $push: { todos: todo } }),

    changeTodo(mine, _id, todo, changes) {
      const $set = Object.fromEntries(
        Object.entries(changes).map(([field, value]) => [`todos.$.${field}`, value]),
      )
      return update({ _id, teams: { $in: mine }, 'todos._id': todo }, { $set })
    },

    removeTodo: (mine, _id, todo) =>
      update({ _id, teams: { $in: mine }, 'todos._id': todo }, { $pull: { todos: { _id: todo } } }),
  }
}
