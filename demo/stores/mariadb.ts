/** The board in MariaDB: three tables, and plain SQL. */

import mysql, {
  type Pool,
  type PoolConnection,
  type ResultSetHeader,
  type RowDataPacket,
} from 'mysql2/promise'
import { mariadb } from 'particle/mariadb'
import {
  type Board,
  type Membership,
  type Person,
  type Store,
  sample,
  type Team,
  type Todo,
} from '../board.ts'

const SCHEMA = [
  'CREATE DATABASE IF NOT EXISTS particle_board CHARACTER SET utf8mb4',
  `CREATE TABLE IF NOT EXISTS particle_board.teams (id VARCHAR(50) PRIMARY KEY, name TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS particle_board.memberships (user VARCHAR(50), team VARCHAR(50),
    PRIMARY KEY (user, team), FOREIGN KEY (team) REFERENCES particle_board.teams (id))`,
  `CREATE TABLE IF NOT EXISTS particle_board.people (id VARCHAR(50) PRIMARY KEY, teams JSON NOT NULL,
    name TEXT NOT NULL, role TEXT NOT NULL, email TEXT NOT NULL, salary DOUBLE NOT NULL, notes TEXT NOT NULL,
    todos JSON NOT NULL, added BIGINT NOT NULL)`,
]

/** A board in the database `particle_board`, which stays. */
export async function openMariadb(url: string): Promise<Store> {
  const pool = mysql.createPool({ uri: url, connectTimeout: 5000 })
  try {
    await setUp(pool)
    const db = mariadb(pool)
    return {
      name: 'MariaDB, database particle_board',
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

/** Makes the tables and fills them. One process at a time does so, where two start at once. */
async function setUp(pool: Pool): Promise<void> {
  const connection = await pool.getConnection()
  try {
    await connection.query("SELECT GET_LOCK('particle_board', 60)")
    for (const statement of SCHEMA) await connection.query(statement)
    await fill(connection)
    await connection.query("SELECT RELEASE_LOCK('particle_board')")
  } finally {
    connection.release()
  }
}

async function fill(connection: PoolConnection): Promise<void> {
  const [there] = await connection.query<RowDataPacket[]>('SELECT 1 FROM particle_board.teams LIMIT 1')
  if (there.length > 0) return
  await transaction(connection, async () => {
    for (const { _id, name } of sample.teams)
      await connection.query('INSERT INTO particle_board.teams (id, name) VALUES (?, ?)', [_id, name])
    for (const { user, team } of sample.memberships)
      await connection.query('INSERT INTO particle_board.memberships (user, team) VALUES (?, ?)', [
        user,
        team,
      ])
    for (const person of sample.people) await insert(connection, person)
  })
}

async function insert(on: Pool | PoolConnection, person: Person): Promise<void> {
  const { _id, teams, name, role, email, salary, notes, todos, added } = person
  await on.query(
    `INSERT INTO particle_board.people (id, teams, name, role, email, salary, notes, todos, added)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [_id, JSON.stringify(teams), name, role, email, salary, notes, JSON.stringify(todos), added],
  )
}

function boardOf(pool: Pool): Board {
  /** Reads a person of these teams, and runs what changes its row, which nobody else changes meanwhile. */
  const edit = async (
    mine: string[],
    id: string,
    change: (connection: PoolConnection, todos: Todo[]) => Promise<boolean>,
  ) => {
    const connection = await pool.getConnection()
    try {
      return await transaction(connection, async () => {
        const [[found]] = await connection.query<RowDataPacket[]>(
          'SELECT CONCAT(teams) AS teams, CONCAT(todos) AS todos FROM particle_board.people WHERE id = ? FOR UPDATE',
          [id],
        )
        const teams: string[] = JSON.parse(found?.teams ?? '[]')
        if (!teams.some((team) => mine.includes(team))) return false
        return await change(connection, JSON.parse(found?.todos))
      })
    } finally {
      connection.release()
    }
  }
  const editTodos = (mine: string[], id: string, change: (todos: Todo[]) => Todo[] | undefined) =>
    edit(mine, id, async (connection, todos) => {
      const changed = change(todos)
      if (!changed) return false
      const values = [JSON.stringify(changed), id]
      await connection.query('UPDATE particle_board.people SET todos = ? WHERE id = ?', values)
      return true
    })

  return {
    async teamsOf(user) {
      const [rows] = await pool.query<RowDataPacket[]>(
        'SELECT team FROM particle_board.memberships WHERE user = ?',
        [user],
      )
      return rows.map(({ team }) => team)
    },

    async join(user, team) {
      const [teams] = await pool.query<RowDataPacket[]>('SELECT id FROM particle_board.teams WHERE id = ?', [
        team,
      ])
      if (teams.length === 0) return false
      await pool.query('INSERT IGNORE INTO particle_board.memberships (user, team) VALUES (?, ?)', [
        user,
        team,
      ])
      return true
    },

    async leave(user, team) {
      await pool.query('DELETE FROM particle_board.memberships WHERE user = ? AND team = ?', [user, team])
    },

    add: (person) => insert(pool, person),

    change: (mine, id, changes) =>
      edit(mine, id, async (connection) => {
        await connection.query('UPDATE particle_board.people SET ? WHERE id = ?', [changes, id])
        return true
      }),

    remove: (mine, id) =>
      edit(mine, id, async (connection) => {
        const [{ affectedRows }] = await connection.query<ResultSetHeader>(
          'DELETE FROM particle_board.people WHERE id = ?',
          [id],
        )
        return affectedRows === 1
      }),

    addTodo: (mine, id, todo) => editTodos(mine, id, (todos) => [...todos, todo]),

    changeTodo: (mine, id, todo, change) =>
      editTodos(mine, id, (todos) => {
        if (!todos.some(({ _id }) => _id === todo)) return undefined
        return todos.map((one) => (one._id === todo ? { ...one, ...change } : one))
      }),

    removeTodo: (mine, id, todo) =>
      editTodos(mine, id, (todos) => {
        const left = todos.filter(({ _id }) => _id !== todo)
        return left.length === todos.length ? undefined : left
      }),
  }
}

async function transaction<T>(connection: PoolConnection, run: () => Promise<T>): Promise<T> {
  try {
    await connection.beginTransaction()
    const result = await run()
    await connection.commit()
    return result
  } catch (error) {
    await connection.rollback()
    throw error
  }
}
