/** The board in PostgreSQL: three tables, and plain SQL. */

import { installTriggers, postgres } from 'particle/postgres'
import pg from 'pg'
import { type Board, type Membership, type Person, type Store, sample, type Team } from '../board.ts'

const TABLES = ['particle_board.people', 'particle_board.teams', 'particle_board.memberships'] as const

// The old row goes into the log, too, so that deltas hold just what changed.
const SCHEMA = `
  CREATE SCHEMA IF NOT EXISTS particle_board;
  CREATE TABLE IF NOT EXISTS particle_board.teams (id text PRIMARY KEY, name text NOT NULL);
  CREATE TABLE IF NOT EXISTS particle_board.memberships (
    "user" text, team text REFERENCES particle_board.teams, PRIMARY KEY ("user", team));
  CREATE TABLE IF NOT EXISTS particle_board.people (
    id text PRIMARY KEY, teams text[] NOT NULL, name text NOT NULL, role text NOT NULL, email text NOT NULL,
    salary double precision NOT NULL, notes text NOT NULL, todos jsonb NOT NULL, added bigint NOT NULL);
  ALTER TABLE particle_board.people REPLICA IDENTITY FULL`

/**
 * A board in the schema `particle_board`. That stays, and so does the publication of this name, or, where the server or the role does not allow
 * logical replication, the schema `particle_board_outbox`.
 */
export async function openPostgres(url: string): Promise<Store> {
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: 5000 })
  pool.on('error', (error) => pool.ending || console.error(`PostgreSQL: ${error.message}`))
  try {
    await transaction(pool, async (client) => {
      // One at a time, where two start at once.
      await client.query(`SELECT pg_advisory_xact_lock(hashtext('particle_board'))`)
      await client.query(SCHEMA)
      await fill(client)
    })
    const changes = (await canReplicate(pool)) ? 'replication' : 'triggers'
    if (changes === 'triggers') await installTriggers(pool, TABLES, { schema: 'particle_board_outbox' })
    const db = postgres(pool, { changes, publication: 'particle_board', schema: 'particle_board_outbox' })
    return {
      name: 'PostgreSQL, schema particle_board',
      board: boardOf(pool),
      collections: {
        people: db.collection<Person>('particle_board.people'),
        teams: db.collection<Team>('particle_board.teams'),
        memberships: db.collection<Membership>('particle_board.memberships'),
      },
      close: () => pool.end(),
    }
  } catch (error) {
    await pool.end()
    throw error
  }
}

async function canReplicate(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query(
    `SELECT current_setting('wal_level') = 'logical' AND (rolsuper OR rolreplication) AS can FROM pg_roles WHERE rolname = CURRENT_USER`,
  )
  return rows[0]?.can === true
}

async function fill(client: pg.ClientBase): Promise<void> {
  if ((await client.query('SELECT FROM particle_board.teams LIMIT 1')).rowCount) return
  for (const { _id, name } of sample.teams)
    await client.query('INSERT INTO particle_board.teams (id, name) VALUES ($1, $2)', [_id, name])
  for (const { user, team } of sample.memberships)
    await client.query('INSERT INTO particle_board.memberships ("user", team) VALUES ($1, $2)', [user, team])
  for (const person of sample.people) await insert(client, person)
}

async function insert(client: pg.Pool | pg.ClientBase, person: Person): Promise<void> {
  const { _id, teams, name, role, email, salary, notes, todos, added } = person
  await client.query(
    `INSERT INTO particle_board.people (id, teams, name, role, email, salary, notes, todos, added)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [_id, teams, name, role, email, salary, notes, JSON.stringify(todos), added],
  )
}

function boardOf(pool: pg.Pool): Board {
  /** Whether a statement found its row. Two that change the same one come one after the other: the second sees what the first wrote. */
  const finds = async (statement: string, values: unknown[]) =>
    (await pool.query(statement, values)).rowCount === 1

  return {
    async teamsOf(user) {
      const { rows } = await pool.query('SELECT team FROM particle_board.memberships WHERE "user" = $1', [
        user,
      ])
      return rows.map(({ team }) => team)
    },

    join: (user, team) =>
      finds(
        `WITH found AS (SELECT id FROM particle_board.teams WHERE id = $2),
          joined AS (INSERT INTO particle_board.memberships ("user", team) SELECT $1, id FROM found ON CONFLICT DO NOTHING)
        SELECT FROM found`,
        [user, team],
      ),

    async leave(user, team) {
      await pool.query('DELETE FROM particle_board.memberships WHERE "user" = $1 AND team = $2', [user, team])
    },

    add: (person) => insert(pool, person),

    change: (mine, id, { name, role, email, salary, notes }) =>
      finds(
        `UPDATE particle_board.people SET name = coalesce($3, name), role = coalesce($4, role),
          email = coalesce($5, email), salary = coalesce($6, salary), notes = coalesce($7, notes)
          WHERE id = $1 AND teams && $2`,
        [id, mine, name, role, email, salary, notes],
      ),

    remove: (mine, id) =>
      finds('DELETE FROM particle_board.people WHERE id = $1 AND teams && $2', [id, mine]),

    addTodo: (mine, id, todo) =>
      finds('UPDATE particle_board.people SET todos = todos || $3::jsonb WHERE id = $1 AND teams && $2', [
        id,
        mine,
        JSON.stringify(todo),
      ]),

    changeTodo: (mine, id, todo, change) =>
      finds(
        `UPDATE particle_board.people SET todos = (
            SELECT jsonb_agg(CASE WHEN todo->>'_id' = $3 THEN todo || $4::jsonb ELSE todo END ORDER BY place)
            FROM jsonb_array_elements(todos) WITH ORDINALITY AS list (todo, place))
          WHERE id = $1 AND teams && $2 AND todos @> jsonb_build_array(jsonb_build_object('_id', $3::text))`,
        [id, mine, todo, JSON.stringify(change)],
      ),

    removeTodo: (mine, id, todo) =>
      finds(
        `UPDATE particle_board.people SET todos = (
            SELECT coalesce(jsonb_agg(todo ORDER BY place), '[]')
            FROM jsonb_array_elements(todos) WITH ORDINALITY AS list (todo, place) WHERE todo->>'_id' <> $3)
          WHERE id = $1 AND teams && $2 AND todos @> jsonb_build_array(jsonb_build_object('_id', $3::text))`,
        [id, mine, todo],
      ),
  }
}

async function transaction(pool: pg.Pool, run: (client: pg.ClientBase) => Promise<void>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await run(client)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}
