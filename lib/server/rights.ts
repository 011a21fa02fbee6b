import { describeGiven } from '../model/given.ts'
import { refuseOption } from '../model/unknown.ts'
import { isPlain, type Query } from '../policy/query.ts'
import type { Admissions } from './auth/admission.ts'
import type { Decision, Predicate } from './auth/revocations.ts'
import type { Control } from './control/control.ts'
import { checkIdentityQuery, predicateOf } from './control/entry.ts'
import { Warnings } from './hints/warnings.ts'
import type { ResolvedOptions } from './options/options.ts'
import { REFRESH_TIMEOUT_MS } from './sessions/renewal.ts'
import type { Stream } from './sessions/stream.ts'
import type { Streams } from './sessions/streams.ts'
import type { Traces } from './support/traces.ts'

/**
 * Revokes and refreshes rights, here by a function, or by a query on all nodes. Decisions apply to the open
 * streams, and to the tokens that come later.
 */
export class Rights {
  readonly #admissions: Admissions
  readonly #streams: Pick<Streams, 'open' | 'lookAnew'>
  readonly #control: Control | undefined
  readonly #warnings: Warnings
  readonly #traces: Traces

  constructor(
    admissions: Admissions,
    streams: Pick<Streams, 'open' | 'lookAnew'>,
    options: Pick<ResolvedOptions, 'onError' | 'diagnostics'>,
    control: Control | undefined,
  ) {
    this.#admissions = admissions
    this.#streams = streams
    this.#warnings = new Warnings(options)
    this.#traces = options.diagnostics.traces
    this.#control = control
  }

  /** Resolves when this node follows the decisions of the others: see {@link Control.follow}. */
  async follow(): Promise<void> {
    await this.#control?.follow()
  }

  /** Resolves when this node knows all earlier decisions of the others: see {@link Control.settle}. */
  async settle(): Promise<void> {
    await this.#control?.settle()
  }

  /** Ends the selected streams. Returns the number of streams that it ended here. */
  revoke(selector: Predicate | Query, reason: string): number | Promise<number> {
    requireSelector(selector, 'revoke')
    if (typeof selector !== 'function') return this.#revokeEverywhere(selector, reason)
    this.#warn('revoke')
    return this.#revoke(selector, reason, false).count
  }

  async #revokeEverywhere(selector: Query, reason: string): Promise<number> {
    checkIdentityQuery(selector, 'revoke(query): query')
    if (typeof reason !== 'string') refuseOption('revoke(query, reason): reason must be a text')
    const { decision, count } = this.#revoke(predicateOf(selector), reason, this.#control !== undefined)
    await this.#control?.store(selector, decision)
    return count
  }

  #revoke(predicate: Predicate, reason: string, isShared: boolean): { decision: Decision; count: number } {
    const decision = this.#admissions.rights.revoke(predicate, reason, isShared)
    const streams = this.#selected(predicate)
    for (const { connection } of streams) connection.end({ event: 'revoked', data: { reason } })
    this.#traces.report('audit', { action: 'decision', at: Date.now(), streams: streams.length })
    return { decision, count: streams.length }
  }

  /** Looks up the selected identities again. Resolves to the number of their streams here. */
  async refresh(selector: Predicate | Query): Promise<number> {
    requireSelector(selector, 'refresh')
    if (typeof selector === 'function') {
      this.#warn('refresh')
      return this.#refresh(selector, false).count
    }
    checkIdentityQuery(selector, 'refresh(query): query')
    const { decision, count } = this.#refresh(predicateOf(selector), this.#control !== undefined)
    const [streams] = await Promise.all([count, this.#control?.store(selector, decision)])
    return streams
  }

  #refresh(predicate: Predicate, isShared: boolean): { decision: Decision; count: Promise<number> } {
    const { rights, openings } = this.#admissions
    const decision = rights.refresh(predicate, isShared)
    const streams = this.#selected(predicate)
    const opened = openings.opened((client) => rights.meets(predicate, client), REFRESH_TIMEOUT_MS)
    const count = this.#streams.lookAnew(streams).then(async () => streams.length + (await opened))
    return { decision, count }
  }

  /**
   * Applies a decision of another node. A client that has presented itself after the decision keeps its
   * stream.
   */
  take(decision: Decision, process: string): void {
    const { rights } = this.#admissions
    rights.take(decision, process)
    const doubted: Stream[] = []
    for (const stream of this.#selected(decision.predicate)) {
      const { connection, admission } = stream
      const judged = admission ? rights.judge(admission) : { revoked: decision.reason, stale: true }
      if (judged.revoked !== undefined) connection.end({ event: 'revoked', data: { reason: judged.revoked } })
      else if (judged.stale) doubted.push(stream)
    }
    void this.#streams.lookAnew(doubted)
  }

  close(): void {
    this.#control?.close()
  }

  #selected(predicate: Predicate): Stream[] {
    return [...this.#streams.open].filter(({ admission }) => this.#admissions.meets(predicate, admission))
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
    refuseOption(
      `${method}() takes a query on the identity, such as { userId: 7 }, or a function, ` +
        `but ${describeGiven(selector)}`,
    )
}
