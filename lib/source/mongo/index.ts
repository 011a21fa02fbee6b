export { MongoAdapter, type MongoOptions, mongo } from './adapter.ts'
