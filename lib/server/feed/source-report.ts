import type { HostRole } from '../../source/source.ts'
import { type Diagnostics, since } from '../support/diagnostics.ts'

/** Names the state of a source. A `failing` source had an error, and is tried again. */
export type SourceState = 'closed' | 'opening' | 'open' | 'failing'

/** Reports the events of one source, and keeps its figures for `server.stats()`. */
export class SourceReport {
  /** The name of the source, unique within the server. */
  readonly name: string
  readonly #diagnostics: Diagnostics
  /** The number of outages so far: of times that the source began to fail. */
  outages = 0
  /** The role of this process, for a source that is read once per host. */
  role: HostRole | undefined
  #state: SourceState = 'closed'
  /** The time since which the source has its state. */
  #entered = 0
  #began = 0
  /** The time of the last opening that does not continue from the last change. */
  #openedAt = 0
  #arrived: number | undefined
  #made = ''
  /** The arrival and the number of the changes that were not delivered yet. */
  #batch: { began: number; changes: number } | undefined

  constructor(name: string, diagnostics: Diagnostics) {
    this.name = name
    this.#diagnostics = diagnostics
  }

  get state(): SourceState {
    return this.#state
  }

  /** The time of the last change's arrival; undefined before the first change. */
  get changedAt(): Date | undefined {
    return this.#arrived === undefined ? undefined : new Date(this.#arrived)
  }

  /** The milliseconds between the last change and its arrival. The store's clock may differ. */
  get lag(): number | undefined {
    const lag = (this.#arrived ?? Number.NaN) - Date.parse(this.#made)
    return Number.isNaN(lag) ? undefined : Math.max(0, lag)
  }

  opening(): void {
    this.#began = performance.now()
    if (this.#state !== 'failing') this.#enter('opening')
  }

  open(continued: boolean): void {
    const ms = since(this.#began)
    if (!continued) this.#openedAt = Date.now()
    this.#enter('open')
    this.#diagnostics.report('source.open', { source: this.name, continued, ms })
  }

  /** @param reopening whether the source opens again already */
  close(reopening: boolean): void {
    if (!reopening) this.#enter('closed')
    this.role = undefined
    this.#diagnostics.report('source.close', { source: this.name })
  }

  hasRole(role: HostRole, reason: string): void {
    this.role = role
    this.#diagnostics.report('source.role', { source: this.name, role, reason })
  }

  lost(reason: string, views: number): void {
    this.#diagnostics.report('source.lost', { source: this.name, reason, views })
  }

  failed(step: 'past' | 'open' | 'follow', views: number): void {
    if (step !== 'past' && this.#state !== 'failing') this.#enter('failing')
    this.#diagnostics.report('source.failed', { source: this.name, step, views })
  }

  /**
   * Records the progress of a source.
   *
   * @param made the time of the last change; undefined without changes
   */
  progress(now: number, made?: string, changes = 0): void {
    if (changes > 0 && this.#diagnostics.traces.has('delivery')) this.#trace(now, changes, made)
    if (made !== undefined) {
      this.#arrived = now
      this.#made = made
    }
    if (this.#state !== 'failing') return
    const ms = since(this.#entered)
    this.#enter('open')
    this.#diagnostics.report('source.recovered', { source: this.name, ms })
  }

  #trace(now: number, changes: number, made: string | undefined): void {
    // Leaves out the changes from before the opening, which clients get with their payloads.
    if (made !== undefined && Date.parse(made) < this.#openedAt) return
    this.#batch ??= { began: now, changes: 0 }
    this.#batch.changes += changes
  }

  /** Reports a delivery to streams, after the end of the turn has written the frames to the sockets. */
  delivered(views: number, streams: number): void {
    const batch = this.#batch
    if (!batch) return
    this.#batch = undefined
    const made = Date.parse(this.#made)
    const changedAt = Number.isNaN(made) ? undefined : made
    const fields = { source: this.name, ...batch, views, streams, changedAt }
    setImmediate(() => this.#diagnostics.traces.report('delivery', { ...fields, ended: Date.now() }))
  }

  #enter(state: SourceState): void {
    if (state === 'failing') this.outages++
    this.#state = state
    this.#entered = performance.now()
  }
}
