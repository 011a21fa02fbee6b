import { MongoClient } from 'mongodb'
import { redis } from 'particle/redis'
import { Client } from 'pg'
import { createClient } from 'redis'
import { startMongo } from '../spec/support/mongod.ts'
import { startPostgres } from '../spec/support/postgres.ts'
import { startRedis } from '../spec/support/redis.ts'
import type { SourceName } from './databases.ts'
import { noteOf, personOf } from './event.ts'

const PEOPLE = 1000
const people = Array.from({ length: PEOPLE }, (_, id) => personOf(id))

/** A server as the specs start it, with 1,000 documents, and a writer that changes them. */
export interface Writer {
  readonly url: string
  /** Changes the note of so many documents, each in a transaction of its own, and then a mark. */
  write(changes: number): Promise<void>
  stop(): Promise<void>
}

let number = 0

/** The numbers of the next changes. */
function next(count: number): number[] {
  return Array.from({ length: count }, () => ++number)
}

export const WRITERS: Record<SourceName, () => Promise<Writer>> = {
  mongo: async () => {
    const server = await startMongo()
    const client = await new MongoClient(server.url).connect()
    const busy = client.db('bench').collection<{ _id: number }>('busy')
    const marks = client.db('bench').collection<{ _id: number }>('marks')
    await busy.insertMany(people)
    await marks.insertOne({ _id: 0 })
    return {
      url: server.url,
      write: async (changes) => {
        const updates = next(changes).map((at) => ({
          updateOne: { filter: { _id: at % PEOPLE }, update: { $set: { note: noteOf(at) } } },
        }))
        await busy.bulkWrite(updates)
        await marks.updateOne({ _id: 0 }, { $set: { number } })
      },
      stop: async () => {
        await client.close()
        await server.stop()
      },
    }
  },
  postgres: async () => {
    const server = await startPostgres()
    const client = new Client(server.url)
    await client.connect()
    await client.query(
      `CREATE TABLE busy (id int PRIMARY KEY, name text, email text, password text, address jsonb, tags text[],
         note text);
       CREATE TABLE marks (id int PRIMARY KEY, number int);
       INSERT INTO marks VALUES (0, 0);
       CREATE PUBLICATION floor FOR TABLE busy, marks`,
    )
    await client.query(
      `INSERT INTO busy SELECT (one->>'_id')::int, one->>'name', one->>'email', one->>'password', one->'address',
         ARRAY(SELECT jsonb_array_elements_text(one->'tags')), one->>'note' FROM jsonb_array_elements($1) AS one`,
      [JSON.stringify(people)],
    )
    return {
      url: server.url,
      write: async (changes) => {
        await client.query(
          `DO $$ BEGIN FOR at IN ${number + 1}..${number + changes} LOOP
             UPDATE busy SET note = rpad('note ' || at, 64, '.') WHERE id = at % ${PEOPLE}; COMMIT;
           END LOOP; END $$`,
        )
        number += changes
        await client.query('UPDATE marks SET number = $1', [number])
      },
      stop: async () => {
        await client.end()
        await server.stop()
      },
    }
  },
  redis: async () => {
    const server = await startRedis()
    const client = await createClient({ url: server.url }).on('error', console.error).connect()
    const source = redis(client, { stream: 'changes' })
    const busy = source.collection('busy', { id: 'number', fields: 'json' })
    const marks = source.collection('marks', { id: 'number', fields: 'json' })
    await Promise.all(people.map((one) => busy.set(one._id, one)))
    await marks.set(0, {})
    return {
      url: server.url,
      write: async (changes) => {
        await Promise.all(next(changes).map((at) => busy.update(at % PEOPLE, { note: noteOf(at) })))
        await marks.update(0, { number })
      },
      stop: async () => {
        client.destroy()
        await server.stop()
      },
    }
  },
}
