import { related } from '../../lib/index.ts'
import type { Manifest } from '../../lib/policy/manifest.ts'
import type { DataSource } from '../../lib/server/index.ts'
import type { MemoryCollection } from '../../lib/source/memory/index.ts'
import type { PostgresAdapter } from '../../lib/source/postgres/index.ts'
import type { RedisAdapter } from '../../lib/source/redis/index.ts'

/** Names the users whose clients must always be right, and one who has no rights but the public ones. */
export const USERS = ['ann', 'ben', 'cy', 'dag', 'fay', 'gus'] as const
export const STRANGER = 'eve'
export const TEAMS = ['t0', 't1', 't2', 't3', 't4', 't5'] as const
/** Orders the levels of news: a person has the first one, two or three. */
export const LEVELS = ['open', 'staff', 'board'] as const
/** Stands in every field that no manifest names. */
export const SECRET = 'SECRET'
export const ACCOUNTS = [1, 2, 3] as const

export const passwordOf = (user: string): string => `the password of ${user}`

/** Returns the teams that a user may come to be in: no client of another user may ever show a row of theirs. */
export function teamsOf(user: string): string[] {
  const first = (USERS as readonly string[]).indexOf(user)
  return first < 0 ? [] : [0, 1, 2].map((step) => TEAMS[(first + step) % TEAMS.length] ?? '')
}

export const MANIFESTS = {
  tasks: { team: true, stamp: true, text: true },
  news: { level: true, stamp: true, text: true },
  debits: { n: true },
  credits: { n: true },
  site: { node: true, boot: true, turn: true },
} as const satisfies Record<string, Manifest>

/** Names the root with parameters: the newest tasks of a team. */
export const LATEST = 'latest'
export const LATEST_LIMIT = 5

/** Lists the statements that make the tables. */
export const TABLES: readonly string[] = [
  'CREATE TABLE people (_id text PRIMARY KEY, levels integer NOT NULL)',
  'CREATE TABLE memberships (_id text PRIMARY KEY, person text NOT NULL, team text NOT NULL)',
  `CREATE TABLE tasks (_id integer PRIMARY KEY, team text NOT NULL, stamp integer NOT NULL, text text NOT NULL,
    secret text NOT NULL)`,
  'CREATE TABLE debits (_id integer PRIMARY KEY, n integer NOT NULL)',
  'CREATE TABLE credits (_id integer PRIMARY KEY, n integer NOT NULL)',
  'CREATE TABLE particle_control (_id text PRIMARY KEY, entry text NOT NULL)',
]
const NAMES = ['people', 'memberships', 'tasks', 'debits', 'credits', 'particle_control'] as const

/** Tells a node where its stores are, and how it serves. */
export interface NodeOptions {
  index: number
  port: number
  postgres: string
  redis: string
  secret: string
  /** Names a permanent slot, if the run has one. */
  slot?: string
}

/** Holds what `identityLookup` returns. */
export interface Identity {
  user: string
  levels: string[]
}

interface Adapters {
  postgres: PostgresAdapter
  redis: RedisAdapter
  site: MemoryCollection
}

/** Lists the sources of a node: rights by a relation, by an identity, and by a parameter. */
export function sourcesOf({ postgres, redis, site }: Adapters): Record<string, DataSource> {
  for (const name of NAMES) postgres.collection(name)
  const team = related('@user').through(postgres.collection('memberships'), 'person', 'team')
  const tasks = postgres.collection('tasks')
  return {
    tasks: { manifest: MANIFESTS.tasks, collection: tasks, criteria: { team } },
    [LATEST]: {
      manifest: MANIFESTS.tasks,
      collection: tasks,
      params: { team: 'string' },
      criteria: { $and: [{ team: ':team' }, { team }] },
      sort: { stamp: -1 },
      limit: LATEST_LIMIT,
    },
    debits: { manifest: MANIFESTS.debits, collection: postgres.collection('debits') },
    credits: { manifest: MANIFESTS.credits, collection: postgres.collection('credits') },
    news: {
      manifest: MANIFESTS.news,
      collection: redis.collection('news', { type: 'json', id: 'number' }),
      criteria: { level: { $in: '@levels' } },
    },
    site: { manifest: MANIFESTS.site, collection: site },
  }
}
