export { MongoAdapter, type MongoOptions, mongo } from './adapter.ts'
export type { DriverClient, DriverDatabase } from './database.ts'
export type { NormalEvent, PrettyEvent } from './format.ts'
export {
  MongoWatch,
  type MongoWatchOptions,
  type StopWatching,
  type WatchEvents,
  type WatchFormat,
} from './watch.ts'
