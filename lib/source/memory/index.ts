export { MemoryAdapter, type MemoryOptions, memory } from './adapter.ts'
export type {
  DeleteResult,
  InsertManyResult,
  InsertOneResult,
  MemoryCollection,
  UpdateResult,
} from './collection.ts'
export type { FindOptions, MemoryCursor } from './cursor.ts'
