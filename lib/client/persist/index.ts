export type { Persist } from '../persistence.ts'
export { indexedDB, type PersistOptions } from './indexed-db.ts'
