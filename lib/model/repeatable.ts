import type { OperationName } from './operation.ts'

/**
 * The operations that may be repeated: applied once more, together with all later operations, they leave the
 * document unchanged.
 */
export const REPEATABLE: ReadonlySet<OperationName> = new Set([
  'set',
  'unset',
  'truncate',
  'min',
  'max',
  'noop',
])
