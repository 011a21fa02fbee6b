export { MariadbAdapter, mariadb } from './adapter.ts'
export type { MariadbOptions } from './options.ts'
export type { TableOptions } from './table.ts'
