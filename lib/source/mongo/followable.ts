import type { Db, Document } from 'mongodb'
import { invalidOption } from '../../model/unknown.ts'
import { ATLAS_ERROR, errorCode, isHopeless } from './server.ts'

/** The first version that logs the oldest documents that a capped collection drops. */
const MONGODB_5_WIRE_VERSION = 13

/**
 * Checks that MongoDB reports the changes of a collection. MongoDB reports none of views, time-series and
 * system collections, so that clients would keep their first data. Accepts a collection that does not exist
 * yet.
 *
 * @throws ParticleError `INVALID_OPTION`, with a sentence that says what to show instead
 */
export async function checkFollowable(db: Db, name: string): Promise<void> {
  const system = 'is a system collection, of which MongoDB reports no changes. Show a collection of your own'
  const refusal = name.startsWith('system.') ? system : await refusalOf(db, name)
  if (refusal !== undefined) throw invalidOption(`The collection ${name} ${refusal}`)
}

async function refusalOf(db: Db, name: string): Promise<string | undefined> {
  const found = await describe(db, name)
  const { viewOn, capped }: Document = found?.options ?? {}
  if (found?.type === 'timeseries' || found?.options?.timeseries !== undefined)
    return (
      'is a time-series collection, whose changes MongoDB does not report. Show an ordinary collection, ' +
      'for example one with the latest value of each series'
    )
  if (found?.type === 'view')
    return (
      `is a view, whose changes MongoDB does not report. Show the view's collection (${viewOn}), with a ` +
      'criteria and a manifest'
    )
  if (capped === true && Number((await db.command({ hello: 1 })).maxWireVersion) < MONGODB_5_WIRE_VERSION)
    return (
      'is capped, and MongoDB before 5.0 does not report the documents that such a collection drops. ' +
      'Update MongoDB, or use an ordinary collection with a TTL index'
    )
  return undefined
}

async function describe(db: Db, name: string): Promise<{ type?: string; options?: Document } | undefined> {
  try {
    const [found] = await db.listCollections({ name }, { nameOnly: false }).toArray()
    return found
  } catch (error) {
    // Skips the check if the user may not list collections.
    if (isHopeless(error) || errorCode(error) === ATLAS_ERROR) return undefined
    throw error
  }
}
