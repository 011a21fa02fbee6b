import type { ClientConfig, Pool, PoolClient } from 'pg'
import { ParticleError } from '../../errors.ts'
import type { Report } from '../host/index.ts'
import type { ChangeListener, Reading, Subscription } from '../source.ts'
import { stateOf } from './session.ts'
import type { TableReference } from './table.ts'
import type { TypeCatalog } from './type.ts'

/** Describes the context that both ways to follow changes need. */
export interface Context {
  pool: Pool
  /** Returns the pool's present settings, for a separate connection. */
  config(): ClientConfig
  types: TypeCatalog
  /** The collections' tables by the collections' names. The map grows. */
  references: ReadonlyMap<string, TableReference>
  /** The interval of the checks of the catalog and of the server's kept history, in milliseconds. */
  checkInterval: number
  /** Returns the positions of the subscriptions without a stream of this process. */
  shared(): readonly string[]
}

/** Represents a way to follow a database's changes. */
export interface Changes {
  /** Starts to report changes to a listener. */
  follow(listener: ChangeListener, from?: string): Promise<Subscription>
  past(milliseconds: number): Promise<string>
  /** Reports the changes of this collection from here on. */
  prepare(collection: string): Promise<void>
  /**
   * Returns the place of a reading transaction's snapshot among the changes; `undefined` for a snapshot that
   * does not see all reported changes yet, so that the reader must take another.
   */
  examine(client: PoolClient): Promise<Reading | undefined>
  /** Brings the followers to the end of a read, unless they reach it by themselves. */
  reach(reading: Reading): void
  /** Takes note of a report of another process of the host. */
  received(report: Report): void
}

/**
 * insufficient_privilege; invalid authorization and password; no such database; invalid_parameter_value, for
 * example of an unlogged table.
 */
const HOPELESS = new Set(['42501', '28000', '28P01', '3D000', '22023'])

/** Checks for an error that another attempt can't mend. */
export function isHopeless(error: unknown): boolean {
  return error instanceof ParticleError || HOPELESS.has(stateOf(error))
}
