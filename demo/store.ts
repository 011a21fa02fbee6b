/** Where the board is kept: MongoDB where there is a URL, else this process's memory. */

import { memory } from 'particle/memory'
import type { Tables } from './board.ts'

/** `tables` are written to by the REST calls, `collections` are followed by Particle; with memory they are the same objects. */
export async function open(url?: string) {
  if (!url) {
    const store = memory()
    const collections = collectionsOf(store)
    return { name: 'memory', tables: collections as unknown as Tables, collections, close: async () => {} }
  }
  const { MongoClient } = await import('mongodb')
  const { mongo } = await import('particle/mongo')
  const client = await MongoClient.connect(url, { serverSelectionTimeoutMS: 5000 })
  const db = client.db('particle_board')
  return {
    name: 'MongoDB, database particle_board',
    tables: collectionsOf(db) as unknown as Tables,
    collections: collectionsOf(mongo(db)),
    close: () => client.close(),
  }
}

function collectionsOf<T>(store: { collection(name: string): T }): Record<keyof Tables, T> {
  return {
    people: store.collection('people'),
    teams: store.collection('teams'),
    memberships: store.collection('memberships'),
  }
}
