import type { OperationName } from './operation.ts'

/**
 * Operations that leave the same when a document that has them already gets them, and all that followed, once
 * more.
 */
export const REPEATABLE: ReadonlySet<OperationName> = new Set([
  'set',
  'unset',
  'truncate',
  'min',
  'max',
  'noop',
])
