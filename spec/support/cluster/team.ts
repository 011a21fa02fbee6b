import type { Document as BsonDocument, Db } from 'mongodb'
import type { Document, Model } from '../../../lib/model/document.ts'
import { filterPayload, type Manifest } from '../../../lib/policy/manifest.ts'
import type { DataSource } from '../../../lib/server/options/source-options.ts'
import type { MongoAdapter } from '../../../lib/source/mongo/adapter.ts'
import { documentToJson } from '../../../lib/source/mongo/bson.ts'

const NOTICES: Manifest = { text: true, n: true, tags: true }
const TASKS: Manifest = { title: true, n: true, tags: true, team: true, detail: { a: true } }

/** What every node serves: a root that all see, and one of which each sees its team's. */
export function teamSources(adapter: MongoAdapter): Record<string, DataSource> {
  return {
    notices: { manifest: NOTICES, collection: adapter.collection('notices') },
    tasks: { manifest: TASKS, collection: adapter.collection('tasks'), criteria: { team: '@team' } },
  }
}

/** What a client of each of these teams must hold, by team: read from the database, and filtered here. */
export async function teamModels(db: Db, teams: readonly string[]): Promise<Map<string, Model>> {
  const read = async (name: string, manifest: Manifest) => {
    const documents = (await db.collection(name).find().toArray()).map((bson: BsonDocument) =>
      documentToJson(bson),
    )
    return (filterPayload(manifest, documents) as Document[]).sort(byId)
  }
  const [notices, tasks] = [await read('notices', NOTICES), await read('tasks', TASKS)]
  return new Map(teams.map((team) => [team, { notices, tasks: tasks.filter((task) => task.team === team) }]))
}

/** A model with its documents in the order of their ids, for comparison. */
export function ordered(model: Partial<Model>): Model {
  return Object.fromEntries(
    Object.entries(model).map(([root, documents]) => [root, [...(documents ?? [])].sort(byId)]),
  )
}

function byId(a: Document, b: Document): number {
  return Number(a._id) - Number(b._id)
}
