import type { MongoClient } from 'mongodb'
import { invalidOption } from '../../model/unknown.ts'
import type { Watchable } from './stream.ts'

/** Describes a namespace: everything, a database (`test.*`), or a collection (`test.users`). */
export interface Namespace {
  readonly text: string
  /** Returns the object to open the change stream on. */
  source(client: MongoClient): Watchable
  /** Checks for a `<database>.<collection>` in the namespace. */
  holds(name: string): boolean
}

/** Reads `'*'`, `'test.*'` or `'test.users'`. Throws `INVALID_OPTION`. */
export function parseNamespace(text: string): Namespace {
  if (text === '*') return { text, source: (client) => client, holds: () => true }
  const [, database, collection] = /^([^.*]+)\.(\*|[^*]+)$/s.exec(text) ?? []
  if (database === undefined || collection === undefined) {
    throw invalidOption(
      `A namespace is 'database.collection', 'database.*' or '*', but not ${JSON.stringify(text)}`,
    )
  }
  if (collection === '*') {
    return { text, source: (client) => client.db(database), holds: (name) => name.startsWith(`${database}.`) }
  }
  return {
    text,
    source: (client) => client.db(database).collection(collection),
    holds: (name) => name === text,
  }
}
