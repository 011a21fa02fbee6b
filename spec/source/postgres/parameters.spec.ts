import { expect } from 'chai'
import fc from 'fast-check'
import type { PoolClient } from 'pg'
import type { Document } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { Order } from '../../../lib/policy/order.ts'
import type { PostgresAdapter } from '../../../lib/source/postgres/index.ts'
import { postgresOrSkip } from '../../support/postgres.ts'
import { readAll } from '../mongo/fold.ts'
import { idsOf } from '../sql/documents.ts'
import { TestDatabase } from './database.ts'

/** Stands in every value, so that none is part of a statement by chance. */
const MARK = 'qzj7'
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "'",
        '"',
        '\\',
        '$1',
        '$$',
        '--',
        '/*',
        '*/',
        ';',
        '%s',
        '\n',
        "E'",
        ')',
        'U&',
        '::text',
        '{',
        ',',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(MARK) + MARK)
const condition = (value: string) =>
  fc.constantFrom<unknown>(
    value,
    null,
    { $eq: value },
    { $ne: value },
    { $in: [value, 5] },
    { $nin: [value, null] },
    { $gt: value },
    { $lte: value },
    { $not: { $gte: value } },
    { $regex: MARK },
  )

describe('source/postgres binds all values as parameters', () => {
  let database: TestDatabase
  let adapter: PostgresAdapter
  const texts: string[] = []

  before(async function () {
    const server = await postgresOrSkip(this)
    database = await TestDatabase.create(server)
    await database.run(
      'CREATE TABLE items (id text PRIMARY KEY, t text, i integer, at timestamptz, j jsonb, list text[])',
      'CREATE TABLE documents (id text PRIMARY KEY, doc jsonb)',
    )
    const pool = database.newPool()
    adapter = await database.adapter('replication', [], {}, pool)
    adapter.collection('documents', { document: 'doc' })
    // Whatever is sent to the server, its text is taken down.
    pool.on('connect', (client: PoolClient) => {
      const send = client.query.bind(client) as (...args: unknown[]) => unknown
      Object.assign(client, {
        query: (...args: unknown[]) => {
          texts.push(typeof args[0] === 'string' ? args[0] : (args[0] as { text: string }).text)
          return send(...args)
        },
      })
    })
  })
  after(() => database?.close())

  const ids = (documents: Document[]) => idsOf(documents).sort()

  it('in readings, sorted or not, and in look-ups', async () => {
    const cases = nasty.chain((value) => fc.tuple(fc.constant(value), condition(value), condition(value)))
    const field = fc.constantFrom('_id', 'id', 't', 'i', 'at', 'j', 'j.k', 'list')
    await fc.assert(
      fc.asyncProperty(cases, field, field, async ([value, one, other], a, b) => {
        // PostgreSQL has no U+0000, and no half of a surrogate pair.
        const kept = Buffer.from(value.replaceAll('\0', '')).toString().replaceAll('\ufffd', '')
        await database.run('TRUNCATE items, documents')
        await database.pool.query(
          "INSERT INTO items VALUES ($1, $1, 5, now(), to_jsonb($1::text), ARRAY[$1]), ('other', NULL, NULL, NULL, NULL, NULL)",
          [kept],
        )
        await database.pool.query(
          "INSERT INTO documents VALUES ($1, jsonb_build_object('t', $1::text, 'i', 5))",
          [kept],
        )
        for (const table of ['items', 'documents']) {
          const all = (await readAll(adapter, table)).documents
          const query = { $or: [{ [a]: one }, { [b]: other }] }
          const found: Document[] = []
          await adapter.read(table, query, (batch) => void found.push(...batch))
          expect(ids(found)).to.deep.equal(ids(all.filter(matcher(query))))
          const first: Document[] = []
          const { keys } = new Order([
            [b.replace('list', 't'), -1],
            [value.replace(/^\$|\./g, ''), 1],
          ])
          await adapter.read(table, query, (batch) => void first.push(...batch), { sort: keys, limit: 9 })
          expect(ids(first)).to.deep.equal(ids(found))
          const { documents } = await adapter.lookup(table, [kept, value, { id: value }])
          expect(ids(documents)).to.deep.equal([idKey(kept)])
        }
      }),
      { numRuns: 100 },
    )
    expect(texts.length).to.be.above(1000)
    expect(texts.filter((text) => text.includes(MARK))).to.deep.equal([])
  }).timeout(60_000)
})
