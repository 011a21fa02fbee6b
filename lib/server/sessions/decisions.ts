import type { Admissions } from '../auth/admission.ts'
import type { Decision, Predicate } from '../auth/revocations.ts'
import type { Traces } from '../support/traces.ts'
import { REFRESH_TIMEOUT_MS } from './renewal.ts'
import type { Stream } from './stream.ts'

/** Holds the streams that decisions apply to. */
export interface DecidedStreams {
  readonly open: Iterable<Stream>
  /** Renews the rights of streams. */
  lookAnew(streams: readonly Stream[]): Promise<void>
}

/** Applies decisions about rights to the open streams, and to the tokens that come later. */
export class Decisions {
  readonly #admissions: Admissions
  readonly #streams: DecidedStreams
  readonly #traces: Traces | undefined

  constructor(admissions: Admissions, streams: DecidedStreams, traces?: Traces) {
    this.#admissions = admissions
    this.#traces = traces
    this.#streams = streams
  }

  /**
   * Ends the streams that the predicate selects. Returns the decision, and the number of streams.
   *
   * @param isShared whether the other nodes get the decision too
   */
  revoke(predicate: Predicate, reason: string, isShared = false): { decision: Decision; count: number } {
    const decision = this.#admissions.rights.revoke(predicate, reason, isShared)
    const streams = this.#meant(predicate)
    for (const { connection } of streams) connection.end({ event: 'revoked', data: { reason } })
    this.#traces?.report('audit', { action: 'decision', at: Date.now(), streams: streams.length })
    return { decision, count: streams.length }
  }

  /**
   * Looks up the identities again that the predicate selects. `count` resolves to the number of their
   * streams.
   */
  refresh(predicate: Predicate, isShared = false): { decision: Decision; count: Promise<number> } {
    const { rights, openings } = this.#admissions
    const decision = rights.refresh(predicate, isShared)
    const streams = this.#meant(predicate)
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
    for (const stream of this.#meant(decision.predicate)) {
      const { connection, admission } = stream
      const judged = admission ? rights.judge(admission) : { revoked: decision.reason, stale: true }
      if (judged.revoked !== undefined) connection.end({ event: 'revoked', data: { reason: judged.revoked } })
      else if (judged.stale) doubted.push(stream)
    }
    void this.#streams.lookAnew(doubted)
  }

  #meant(predicate: Predicate): Stream[] {
    return [...this.#streams.open].filter(({ admission }) => this.#admissions.meets(predicate, admission))
  }
}
