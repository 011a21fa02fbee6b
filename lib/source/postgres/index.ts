export { PostgresAdapter, postgres } from './adapter.ts'
export type { PostgresOptions } from './options.ts'
export type { TableOptions } from './table.ts'
export { installTriggers, removeTriggers, type TriggerOptions } from './triggers.ts'
