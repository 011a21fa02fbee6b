/** The board in Redis: a hash for each document, and a stream of what changed, so that clients resume. */

import { redis } from 'particle/redis'
import { createClient } from 'redis'
import { type Membership, membership, type Person, type Store, sample, type Team } from '../board.ts'

const PREFIX = 'particle_board:'
/** A set of the teams' ids, since Redis has no queries. */
const TEAMS = `${PREFIX}all-teams`

/** A board under keys that begin with `particle_board:`; they stay. */
export async function openRedis(url: string): Promise<Store> {
  let connected = false
  const client = createClient({
    url,
    // A server that isn't there is told at once; one that went away is waited for.
    socket: { reconnectStrategy: (tries, cause) => (connected ? Math.min(50 * 2 ** tries, 2000) : cause) },
  })
  client.on('error', (error: Error) => connected && console.error(`Redis: ${error.message}`))
  await client.connect()
  connected = true

  const db = redis(client, { prefix: PREFIX, stream: `${PREFIX}changes` })
  const people = db.collection<Person>('people', {
    fields: { teams: 'json', todos: 'json', salary: 'number', added: 'number' },
  })
  const teams = db.collection<Team>('teams')
  const memberships = db.collection<Membership>('memberships')

  /** A field of a person, if the person is of any of these teams. */
  const read = async (mine: string[], person: string, field: 'teams' | 'todos') => {
    const [theirs, text] = await client.hmGet(`${PREFIX}people:${person}`, ['teams', field])
    const isMine = (JSON.parse(theirs ?? '[]') as string[]).some((team) => mine.includes(team))
    return isMine ? text : undefined
  }
  const isMine = async (mine: string[], person: string) => Boolean(await read(mine, person, 'teams'))
  const hasTodo = async (mine: string[], person: string, todo: string) =>
    (JSON.parse((await read(mine, person, 'todos')) ?? '[]') as Person['todos']).some(
      ({ _id }) => _id === todo,
    )

  if (!(await client.exists(TEAMS))) {
    for (const person of sample.people) await people.set(person._id, person)
    for (const membership of sample.memberships) await memberships.set(membership._id, membership)
    for (const team of sample.teams) await teams.set(team._id, team)
    // Last: where it is, all is there.
    await client.sAdd(
      TEAMS,
      sample.teams.map(({ _id }) => _id),
    )
  }

  return {
    name: `Redis, keys ${PREFIX}*`,
    collections: { people, teams, memberships },
    close: async () => client.destroy(),
    board: {
      async teamsOf(user) {
        const all = await client.sMembers(TEAMS)
        const joined = await Promise.all(
          all.map((team) => client.exists(`${PREFIX}memberships:${membership(user, team)._id}`)),
        )
        return all.filter((_, index) => joined[index])
      },

      async join(user, team) {
        if (!(await client.sIsMember(TEAMS, team))) return false
        const joined = membership(user, team)
        await memberships.set(joined._id, joined)
        return true
      },

      async leave(user, team) {
        await memberships.delete(membership(user, team)._id)
      },

      add: (person) => people.set(person._id, person),

      change: async (mine, id, changes) => (await isMine(mine, id)) && people.update(id, changes),

      remove: async (mine, id) => (await isMine(mine, id)) && people.delete(id),

      // An update reads, changes and writes a hash, again where somebody else was faster: none is lost.
      addTodo: async (mine, id, todo) =>
        (await isMine(mine, id)) && people.update(id, [{ operation: 'push', path: 'todos', data: todo }]),

      changeTodo: async (mine, id, todo, changes) =>
        (await hasTodo(mine, id, todo)) &&
        people.update(
          id,
          Object.fromEntries(
            Object.entries(changes).map(([field, value]) => [`todos[${todo}].${field}`, value]),
          ),
        ),

      removeTodo: async (mine, id, todo) =>
        (await hasTodo(mine, id, todo)) &&
        people.update(id, [{ operation: 'pull', path: 'todos', data: { _id: todo } }]),
    },
  }
}
