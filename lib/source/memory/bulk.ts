import type { Id } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { notKnown } from '../../model/unknown.ts'
import type { Query } from '../source.ts'
import type {
  BulkOperation,
  BulkWriteResult,
  DeleteResult,
  Insertable,
  InsertOneResult,
  UpdateResult,
} from './results.ts'
import { invalid } from './update.ts'

const NAMES = ['insertOne', 'updateOne', 'updateMany', 'replaceOne', 'deleteOne', 'deleteMany']

/** Describes the collection's methods that a list of writes needs. */
interface Writable<T> {
  insertOne(document: Insertable<T>): Promise<InsertOneResult>
  updateOne(query: Query, update: object, options: object): Promise<UpdateResult>
  updateMany(query: Query, update: object, options: object): Promise<UpdateResult>
  replaceOne(query: Query, replacement: object, options: object): Promise<UpdateResult>
  deleteOne(query: Query): Promise<DeleteResult>
  deleteMany(query: Query): Promise<DeleteResult>
}

/**
 * Performs the writes of a list one by one. Rejects with the first failure: at once, or with `ordered: false`
 * after all other writes.
 */
export async function bulkWrite<T extends object>(
  collection: Writable<T>,
  operations: readonly BulkOperation<T>[],
  { ordered = true }: { ordered?: boolean },
): Promise<BulkWriteResult> {
  if (!Array.isArray(operations) || operations.length === 0)
    throw invalid('bulkWrite needs a list of operations that is not empty.')
  for (const operation of operations) check(operation)
  const result: BulkWriteResult = {
    ok: 1,
    insertedCount: 0,
    matchedCount: 0,
    modifiedCount: 0,
    deletedCount: 0,
    upsertedCount: 0,
    insertedIds: {},
    upsertedIds: {},
  }
  const failures: unknown[] = []
  for (const [index, operation] of operations.entries()) {
    try {
      await write(collection, operation, index, result)
    } catch (error) {
      failures.push(error)
      if (ordered) break
    }
  }
  if (failures.length > 0) throw failures[0]
  return result
}

function check(operation: unknown): void {
  const [name = '', ...more] = isObject(operation) ? Object.keys(operation) : []
  if (!NAMES.includes(name) || more.length > 0)
    throw invalid(`An operation of bulkWrite is an object with one name: ${notKnown(name, NAMES)}.`)
  if (!isObject((operation as Record<string, unknown>)[name]))
    throw invalid(`${name} of bulkWrite needs an object.`)
}

async function write<T extends object>(
  collection: Writable<T>,
  operation: BulkOperation<T>,
  index: number,
  result: BulkWriteResult,
): Promise<void> {
  const updated = ({ matchedCount, modifiedCount, upsertedCount, upsertedId }: UpdateResult) => {
    result.matchedCount += matchedCount
    result.modifiedCount += modifiedCount
    result.upsertedCount += upsertedCount
    if (upsertedCount > 0) result.upsertedIds[index] = upsertedId as Id
  }
  if ('insertOne' in operation) {
    const { insertedId } = await collection.insertOne(operation.insertOne.document)
    result.insertedCount += 1
    result.insertedIds[index] = insertedId
  } else if ('updateOne' in operation) {
    const { filter, update, ...options } = operation.updateOne
    updated(await collection.updateOne(filter, update, options))
  } else if ('updateMany' in operation) {
    const { filter, update, ...options } = operation.updateMany
    updated(await collection.updateMany(filter, update, options))
  } else if ('replaceOne' in operation) {
    const { filter, replacement, ...options } = operation.replaceOne
    updated(await collection.replaceOne(filter, replacement, options))
  } else if ('deleteOne' in operation) {
    result.deletedCount += (await collection.deleteOne(operation.deleteOne.filter)).deletedCount
  } else {
    result.deletedCount += (await collection.deleteMany(operation.deleteMany.filter)).deletedCount
  }
}
