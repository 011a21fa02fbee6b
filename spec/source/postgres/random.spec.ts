import { expect } from 'chai'
import { applyDelta } from '../../../lib/model/delta.ts'
import type { Document, Model } from '../../../lib/model/document.ts'
import { canonical, toJson } from '../../../lib/model/json.ts'
import { Server } from '../../../lib/server/index.ts'
import { LocalClient } from '../../support/local.ts'
import { eachDatabase, type Mode, type TestDatabase } from './database.ts'

const TOTAL = 1200

/** A generator of numbers in [0, 1) that gives the same ones for the same seed. */
function randomizer(seed: number) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

describe('source/postgres under random writes', () => {
  let database: TestDatabase

  eachDatabase(async (fresh) => {
    database = fresh
    await database.run(
      'CREATE TABLE users (id integer PRIMARY KEY, team text, n integer, doc jsonb, big text)',
      // Not compressed, so that TOAST keeps it apart, and leaves it unchanged.
      'ALTER TABLE users ALTER big SET STORAGE EXTERNAL',
      'CREATE TABLE accounts (id integer PRIMARY KEY, balance integer)',
      `INSERT INTO accounts SELECT i, ${TOTAL / 12} FROM generate_series(1, 12) i`,
      "INSERT INTO users SELECT i, 'red', 0, '{}', repeat(md5(i::text), 200) FROM generate_series(1, 400) i",
    )
  })

  /** A hundred statements of a writer of its own, most of them alone, some in transactions. */
  async function write(seed: number): Promise<void> {
    const random = randomizer(seed)
    const pick = <T>(...items: T[]): T => items[Math.floor(random() * items.length)] as T
    const number = (below: number) => Math.floor(random() * below)
    const id = () => number(500)
    const statement = (): string =>
      pick(
        () => `UPDATE users SET n = n + 1 WHERE id = ${id()}`,
        () => `UPDATE users SET team = '${pick('red', 'blue', 'green')}' WHERE id = ${id()}`,
        () => `UPDATE users SET team = NULL, n = NULL WHERE id = ${id()}`,
        () =>
          `UPDATE users SET doc = doc || '{"k${number(4)}": [${number(9)}]}', n = ${number(9)} WHERE id = ${id()}`,
        () => `UPDATE users SET big = repeat(md5('${number(9999)}'), 200) WHERE id = ${id()}`,
        () => `DELETE FROM users WHERE id = ${id()}`,
        () => `INSERT INTO users VALUES (${id()}, 'red', 0, '{}', repeat('x', 3000)) ON CONFLICT DO NOTHING`,
        () => `UPDATE users SET n = n - 1 WHERE id BETWEEN ${id()} AND ${id()} AND n > 3`,
        // A new key may be taken: that is an error of the write, and no change.
        () => `UPDATE users SET id = ${id()} WHERE id = ${id()}`,
      )()
    const client = await database.newPool().connect()
    try {
      for (let step = 0; step < 100; step++) {
        if (random() < 0.6) {
          await client.query(statement()).catch(() => {})
        } else if (random() < 0.5) {
          const [from, to, amount] = [1 + number(12), 1 + number(12), number(20)]
          // In the order of the ids, so that no two wait for each other.
          const moves = [
            [from, -amount],
            [to, amount],
          ].sort(([a = 0], [b = 0]) => a - b)
          await client.query('BEGIN')
          for (const [account, by] of moves)
            await client.query(`UPDATE accounts SET balance = balance + ${by} WHERE id = ${account}`)
          await client.query(random() < 0.2 ? 'ROLLBACK' : 'COMMIT')
        } else {
          await client.query('BEGIN')
          for (let part = 0; part < 3; part++) {
            await client.query('SAVEPOINT s')
            await client.query(statement()).catch(() => client.query('ROLLBACK TO s'))
          }
          await client.query('COMMIT').catch(() => client.query('ROLLBACK'))
        }
      }
    } finally {
      client.release()
    }
  }

  const sorted = (documents: readonly Document[] = []) =>
    documents.map((document) => canonical(toJson(document))).sort()

  /** Every state that a client showed of the accounts: each transfer at once. */
  function expectTransfersWhole(client: LocalClient): void {
    const model: Model = {}
    let parts: Document[] = []
    for (const { name, data } of client.events) {
      if (name === 'payload' && data.root === 'accounts') {
        parts = [...(data.part === 0 ? [] : parts), ...structuredClone(data.data as Document[])]
        if (!data.last) continue
        model.accounts = parts
      } else if (name === 'delta' && data.root === 'accounts') applyDelta(model, structuredClone(data))
      else continue
      const sum = (model.accounts ?? []).reduce((total, { balance }) => total + Number(balance), 0)
      expect(sum).to.equal(TOTAL)
    }
  }

  const ways: { mode: Mode; identity: 'DEFAULT' | 'FULL' }[] = [
    { mode: 'replication', identity: 'DEFAULT' },
    { mode: 'replication', identity: 'FULL' },
    { mode: 'triggers', identity: 'DEFAULT' },
  ]
  for (const { mode, identity } of ways) {
    for (const seed of [1, 2]) {
      it(`keeps clients equal to what the criteria selects, by ${mode}, replica identity ${identity} (seed ${seed})`, async () => {
        await database.run(`ALTER TABLE users REPLICA IDENTITY ${identity}`)
        const pool = database.newPool()
        const adapter = await database.adapter(mode, ['users', 'accounts'], {}, pool)
        const collection = adapter.collection('users')
        const failures: unknown[] = []
        const particle = new Server({
          dataSources: {
            all: { manifest: { n: true, team: true, doc: true, big: true }, collection },
            red: { manifest: { n: true, doc: { k1: true } }, collection, criteria: { team: 'red' } },
            some: { manifest: true, collection, criteria: { $or: [{ team: null }, { n: { $gt: 3 } }] } },
            accounts: { manifest: true, collection: adapter.collection('accounts') },
          },
          onError: (error) => void failures.push(error),
        })
        const clients: LocalClient[] = []
        try {
          clients.push(await LocalClient.connect(particle))
          const writers = [10, 20, 30].map((one) => write(seed * 1000 + one))
          for (let late = 0; late < 4; late++) {
            await new Promise((resolve) => setTimeout(resolve, 60))
            clients.push(await LocalClient.connect(particle))
          }
          await Promise.all(writers)
          const { rows } = await database.pool.query('SELECT id, team, n, doc, big FROM users')
          const accounts = (await database.pool.query('SELECT id AS _id, id, balance FROM accounts')).rows
          const documents = rows.map((row): Document => ({ _id: row.id, ...row }))
          const expected: Model = {
            all: documents.map(
              ({ _id, n, team, doc, big }): Document => ({ _id, n, team, doc, big }) as Document,
            ),
            red: documents
              .filter(({ team }) => team === 'red')
              .map(({ _id, n, doc }) => {
                const { k1 } = doc as { k1?: never }
                return { _id, n, doc: k1 === undefined ? {} : { k1 } } as Document
              }),
            some: documents.filter(({ team, n }) => team === null || Number(n) > 3),
            accounts,
          }
          for (const [index, client] of clients.entries()) {
            for (const root of Object.keys(expected)) {
              const is = () => sorted(client.model[root]).join() === sorted(expected[root]).join()
              // Seldom, since to compare is much work, which holds up what is waited for.
              for (let tries = 0; tries < 100 && !is(); tries++)
                await new Promise((resolve) => setTimeout(resolve, 100))
              expect(sorted(client.model[root]), `client ${index} has ${root}`).to.deep.equal(
                sorted(expected[root]),
              )
            }
            expectTransfersWhole(client)
          }
          expect(failures).to.deep.equal([])
        } finally {
          await particle.disconnect()
        }
        expect(await database.leftovers()).to.deep.equal({ slots: 0, connections: 0 })
      }).timeout(60_000)
    }
  }
})
