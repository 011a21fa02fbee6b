/** Where the board is kept: MongoDB where there is a URL, else this process's memory. */

import { memory } from 'particle/memory'
import type { People, Person } from './board.ts'

/** `people` is written to by the REST calls, `collection` is followed by Particle; with memory they are the same object. */
export async function open(url?: string) {
  if (!url) {
    const people = memory().collection('people')
    return { name: 'memory', people: people as unknown as People, collection: people, close: async () => {} }
  }
  const { MongoClient } = await import('mongodb')
  const { mongo } = await import('particle/mongo')
  const client = await MongoClient.connect(url, { serverSelectionTimeoutMS: 5000 })
  const db = client.db('particle_demo')
  return {
    name: 'MongoDB, database particle_demo',
    people: db.collection<Person>('people') as unknown as People,
    collection: mongo(db).collection('people'),
    close: () => client.close(),
  }
}
