export { type CollectionOptions, particleCollectionOptions, type WritePosition } from './collection.ts'
