import { expect } from 'chai'
import { createClient } from 'redis'
import { Server } from '../../../lib/index.ts'
import { redis } from '../../../lib/source/redis/index.ts'
import type { CollectionHandle } from '../../../lib/source/source.ts'
import { MODES, TestDatabase } from '../../source/postgres/database.ts'
import { LocalClient, until } from '../../support/local.ts'
import { postgresOrSkip } from '../../support/postgres.ts'
import { redisOrSkip } from '../../support/redis.ts'

const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

describe('server/bounded', () => {
  /** Follows a root through a document that becomes too deep; `write` stores a JSON text as the field `data`. */
  async function check(collection: CollectionHandle, write: (id: string, json: string) => Promise<unknown>) {
    const errors: Error[] = []
    const server = new Server({
      dataSources: { rows: { manifest: { data: true }, collection } },
      onError: (error) => errors.push(error),
    })
    try {
      await write('1', deep(5500))
      await write('2', '1')
      const early = await LocalClient.connect(server)
      await until(() => early.ready)
      await write('2', deep(5500))
      await write('3', deep(5000))
      await write('4', '{"b":2}')
      await until(() => early.model.rows?.length === 4)
      const late = await LocalClient.connect(server)
      await until(() => late.ready)
      for (const { model } of [early, late]) {
        expect(model.rows).to.have.deep.members([
          { _id: '1' },
          { _id: '2' },
          { _id: '3' },
          { _id: '4', data: { b: 2 } },
        ])
      }
      expect(errors.map(({ message }) => message)).to.have.length(1)
      expect(errors[0]?.message).to.include('nested deeper than 200 levels')
    } finally {
      await server.disconnect()
    }
  }

  for (const mode of MODES) {
    it(`hides a deep jsonb of PostgreSQL, told once, and all else goes on (by ${mode})`, async function () {
      const database = await TestDatabase.create(await postgresOrSkip(this))
      try {
        await database.run('CREATE TABLE rows (id text PRIMARY KEY, data jsonb)')
        const adapter = await database.adapter(mode, ['rows'])
        const statement =
          'INSERT INTO rows VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET data = excluded.data'
        await check(adapter.collection('rows'), (id, json) => database.pool.query(statement, [id, json]))
      } finally {
        await database.close()
      }
    })
  }

  it('hides a deep JSON string of Redis, told once, and all else goes on', async function () {
    const client = createClient({ url: (await redisOrSkip(this)).url })
    await client.connect()
    try {
      const prefix = `bounded${Date.now()}:`
      const adapter = redis(client, { prefix, stream: `${prefix}changes` })
      const rows = adapter.collection('rows', { type: 'json' })
      await check(rows, (id, json) =>
        rows.touch(client.multi().set(`${prefix}rows:${id}`, `{"data":${json}}`), id).exec(),
      )
    } finally {
      client.destroy()
    }
  })
})
