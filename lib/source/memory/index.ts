export { MemoryAdapter, type MemoryOptions, memory } from './adapter.ts'
export type { MemoryCollection } from './collection.ts'
export type { FindOptions, MemoryCursor } from './cursor.ts'
export type {
  BulkOperation,
  BulkWriteResult,
  DeleteResult,
  FindOneAndReplaceOptions,
  FindOneAndUpdateOptions,
  FindOneOptions,
  InsertManyResult,
  InsertOneResult,
  UpdateResult,
} from './results.ts'
