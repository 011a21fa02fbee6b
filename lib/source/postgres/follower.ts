import type { ClientConfig, Pool, PoolClient } from 'pg'
import { ParticleError } from '../../errors.ts'
import type { ChangeListener, Reading, Subscription } from '../source.ts'
import { stateOf } from './session.ts'
import type { TableReference } from './table.ts'
import type { TypeCatalog } from './type.ts'

/** What both ways to learn of changes need. */
export interface Context {
  pool: Pool
  /** Of the pool as it is now, for a connection of one's own. */
  config(): ClientConfig
  types: TypeCatalog
  /** The tables that are collections, by the collections' names; it grows. */
  references: ReadonlyMap<string, TableReference>
  /** How often the catalog and what the server keeps are looked at, in milliseconds. */
  checkInterval: number
}

/** A way to learn of a database's changes. */
export interface Changes {
  /** Begins to tell a listener of them. */
  follow(listener: ChangeListener, from?: string): Promise<Subscription>
  past(milliseconds: number): Promise<string>
  /** From here on, the changes of this collection are told to those who follow. */
  prepare(collection: string): Promise<void>
  /**
   * Where a reading transaction's snapshot lies among the changes; undefined where another one must be taken,
   * since this one does not see yet what was told already.
   */
  examine(client: PoolClient): Promise<Reading | undefined>
  /** A reading has ended: brings those who follow to its end, should they not come there by themselves. */
  reach(reading: Reading): void
}

/** Something that is done from time to time, one time after the other. */
export class Rounds {
  #timer: NodeJS.Timeout | undefined
  #round: () => void = () => {}
  #busy = false

  /** Where they have begun already, they go on as they are. */
  begin(milliseconds: number, run: () => Promise<void>, failed: (error: unknown) => void): void {
    if (this.#timer) return
    this.#round = () => {
      if (this.#busy || !this.#timer) return
      this.#busy = true
      run()
        .catch((error: unknown) => {
          if (this.#timer) failed(error)
        })
        .finally(() => {
          this.#busy = false
        })
    }
    this.#timer = setInterval(this.#round, milliseconds).unref()
  }

  /** Begins the next round at once, unless one is under way. */
  hurry(): void {
    this.#round()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/**
 * insufficient_privilege; invalid authorization and password; no such database; invalid_parameter_value, as
 * of an unlogged table.
 */
const HOPELESS = new Set(['42501', '28000', '28P01', '3D000', '22023'])

/** Whether trying again can't help. */
export function isHopeless(error: unknown): boolean {
  return error instanceof ParticleError || HOPELESS.has(stateOf(error))
}
