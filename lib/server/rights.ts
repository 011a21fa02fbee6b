import { ParticleError } from '../errors.ts'
import { describeGiven } from '../model/given.ts'
import { isPlain, type Query } from '../policy/query.ts'
import type { Predicate } from './auth/revocations.ts'
import type { Control } from './control/control.ts'
import { checkIdentityQuery, predicateOf } from './control/entry.ts'
import type { Warnings } from './hints/warnings.ts'
import type { Decisions } from './sessions/decisions.ts'

/** Revokes and refreshes rights, here by a function, or by a query on all nodes. */
export class Rights {
  readonly #decisions: Decisions
  readonly #control: Control | undefined
  readonly #warnings: Warnings

  constructor(decisions: Decisions, control: Control | undefined, warnings: Warnings) {
    this.#decisions = decisions
    this.#control = control
    this.#warnings = warnings
  }

  /** Resolves when this node follows the decisions of the others: see {@link Control.follow}. */
  async follow(): Promise<void> {
    await this.#control?.follow()
  }

  /** Resolves when this node knows all earlier decisions of the others: see {@link Control.settle}. */
  async settle(): Promise<void> {
    await this.#control?.settle()
  }

  revoke(selector: Predicate | Query, reason: string): number | Promise<number> {
    requireSelector(selector, 'revoke')
    if (typeof selector === 'function') {
      this.#warn('revoke')
      return this.#decisions.revoke(selector, reason).count
    }
    return this.#revokeEverywhere(selector, reason)
  }

  async #revokeEverywhere(selector: Query, reason: string): Promise<number> {
    checkIdentityQuery(selector, 'revoke(query): query')
    if (typeof reason !== 'string')
      throw new ParticleError('INVALID_OPTION', 'revoke(query, reason): reason must be a text')
    const { decision, count } = this.#decisions.revoke(
      predicateOf(selector),
      reason,
      this.#control !== undefined,
    )
    await this.#control?.store(selector, decision)
    return count
  }

  async refresh(selector: Predicate | Query): Promise<number> {
    requireSelector(selector, 'refresh')
    if (typeof selector === 'function') {
      this.#warn('refresh')
      return this.#decisions.refresh(selector).count
    }
    checkIdentityQuery(selector, 'refresh(query): query')
    const { decision, count } = this.#decisions.refresh(predicateOf(selector), this.#control !== undefined)
    const [streams] = await Promise.all([count, this.#control?.store(selector, decision)])
    return streams
  }

  close(): void {
    this.#control?.close()
  }

  #warn(method: string): void {
    if (!this.#control) return
    this.#warnings.error(
      `${method}(function)`,
      `${method}() got no query on the identity, and applies to this process alone. For all nodes give a ` +
        `query: server.${method}({ userId: 7 }), or {} for all clients`,
    )
  }
}

function requireSelector(selector: unknown, method: string): asserts selector is Predicate | Query {
  if (!isPlain(selector) && typeof selector !== 'function')
    throw new ParticleError(
      'INVALID_OPTION',
      `${method}() takes a query on the identity, such as { userId: 7 }, or a function, ` +
        `but ${describeGiven(selector)}`,
    )
}
