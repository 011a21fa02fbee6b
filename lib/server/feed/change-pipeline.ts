import type {
  Adapter,
  Change,
  ChangeListener,
  DocumentChange,
  HostRole,
  ReportedChange,
} from '../../source/source.ts'
import { retryUntil } from '../support/scheduling.ts'
import { decoded, groupChanges } from './change.ts'
import { complete, type Found, lookUp } from './lookup.ts'
import { PositionWaiters } from './position-waiters.ts'
import { coalesceTransaction } from './transaction.ts'

/** Receives the results of a pipeline. */
export interface PipelineHost {
  /** Checks whether some view, also one at rest, gets the changes of a collection. */
  isShown(collection: string): boolean
  /** Checks whether some view needs the document of an update. */
  needsDocument(change: DocumentChange): boolean
  /**
   * Dispatches changes that are sent at once, or none. The source is then at `position`. `begin` is the
   * position of the first source change behind them. Encoded changes touch no view.
   */
  dispatch(changes: readonly ReportedChange[], position: string, begin?: string): void
  /** Delivers all changes since the last call to clients. */
  deliver(): void
  lost(reason: string, position: string): void
  failed(error: unknown): void
  hasRole(role: HostRole, reason: string): void
}

interface ChangesMessage {
  kind: 'changes'
  changes: readonly ReportedChange[]
  position: string
}

type Message = ChangesMessage | { kind: 'lost'; reason: string; position: string }

/** Limits the lookups of one message, since later changes may need documents too. */
const MAX_ROUNDS = 5

/**
 * Passes the changes of one adapter's subscription to the host, in order:
 *
 *    adapter --> inbox --> group by transaction --> coalesce --> host.dispatch --> host.deliver
 *                  |                                  ^
 *                  | a view needs a document          | complete: changes with documents
 *                  +--> #lookUp: adapter.lookup, then all changes up to the lookup's position
 *
 * The pipeline works synchronously until a document must be looked up. Meanwhile, and before `begin`, it is
 * busy and messages wait in the inbox. A lost history passes through the inbox too, so that earlier changes
 * are sent first.
 */
export class ChangePipeline {
  /** Receives the reports of the adapter. */
  readonly listener: ChangeListener
  readonly #adapter: Adapter
  readonly #host: PipelineHost
  readonly #inbox: Message[] = []
  readonly #arrivals: PositionWaiters
  /** Whether messages wait: before `begin`, and during a lookup. */
  #busy = true
  #closed = false

  constructor(adapter: Adapter, host: PipelineHost) {
    this.#adapter = adapter
    this.#host = host
    this.#arrivals = new PositionWaiters(adapter)
    const changes = (changes: readonly ReportedChange[], position: string) =>
      this.#receive({ kind: 'changes', changes, position })
    this.listener = {
      changes,
      encoded: { isShown: (collection) => host.isShown(collection), changes },
      progress: (position) => this.#receive({ kind: 'changes', changes: [], position }),
      lost: (reason, position) => this.#receive({ kind: 'lost', reason, position }),
      error: (error) => {
        if (!this.#closed) host.failed(error)
      },
      role: (role, reason) => {
        if (!this.#closed) host.hasRole(role, reason)
      },
    }
  }

  /** Passes on the waiting messages, and all later ones. */
  begin(): void {
    this.#busy = false
    this.#drain()
  }

  /** Stops passing messages on. */
  close(): void {
    this.#closed = true
    this.#inbox.length = 0
    this.#arrivals.cancelAll()
  }

  #receive(message: Message): void {
    if (this.#closed) return
    this.#inbox.push(message)
    if (message.kind === 'lost') this.#arrivals.cancelAll()
    else this.#arrivals.reached(message.position)
    if (!this.#busy) this.#drain()
  }

  /** Empties the inbox, synchronously until a document must be looked up. */
  #drain(): void {
    for (let message = this.#inbox.shift(); message; message = this.#inbox.shift()) {
      if (message.kind === 'lost') {
        this.#host.deliver()
        this.#host.lost(message.reason, message.position)
      } else if (this.#dispatchAll(message)) {
        this.#busy = true
        break
      }
    }
    this.#host.deliver()
  }

  /**
   * Dispatches changes group by group, because a group's need for documents may depend on the effect of
   * earlier groups. Returns true when a document must be looked up first.
   */
  #dispatchAll(message: ChangesMessage): boolean {
    const { changes, position } = message
    let done = 0
    for (const group of groupChanges(changes)) {
      const changed = this.#isUnseen(group) ? group : coalesceTransaction(decoded(group))
      if (changed.some((change) => this.#needsDocument(change))) {
        void this.#lookUp(decoded(changes.slice(done)), position).then(() => {
          if (!this.#closed) this.begin()
        })
        return true
      }
      done += group.length
      const end = done < changes.length ? (group.at(-1)?.position ?? position) : position
      this.#host.dispatch(changed, end, group[0]?.position)
    }
    if (changes.length === 0) this.#host.dispatch(changes, position)
    return false
  }

  /** Checks for a group that is still encoded, and that no view gets. */
  #isUnseen(group: readonly ReportedChange[]): boolean {
    return group.every((change) => change.kind === 'encoded' && !this.#host.isShown(change.collection))
  }

  #needsDocument(change: ReportedChange): change is DocumentChange {
    if (change.kind !== 'update' || change.document || !this.#adapter.lookup) return false
    return this.#host.needsDocument(change)
  }

  /**
   * Dispatches changes after their documents were looked up, together with all changes that the source
   * reported until the lookup's position.
   */
  async #lookUp(first: readonly Change[], end: string): Promise<void> {
    let [changes, position] = [first, end]
    let found: Found = { documents: new Map(), position: undefined }
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      const needed = coalesced(changes).filter((change) => this.#needsDocument(change))
      const attempt = async () => {
        found = await lookUp(this.#adapter, needed)
      }
      await retryUntil(
        attempt,
        () => !this.#closed,
        (error) => this.#host.failed(error),
      )
      if (this.#closed) return
      if (found.position === undefined || this.#adapter.compare(position, found.position) >= 0) break
      await this.#arrived(found.position)
      if (this.#closed) return
      const later = this.#takeUpTo(found.position)
      changes = [...changes, ...later.changes]
      position = later.position ?? position
      if (!coalesced(later.changes).some((change) => this.#needsDocument(change))) break
    }
    const whole = complete(changes, found)
    // Sends all changes at once when the documents' position is known, because the documents contain the last
    // change.
    if (found.position !== undefined) this.#host.dispatch(coalesced(whole), position, whole[0]?.position)
    else
      for (const group of groupChanges(whole))
        this.#host.dispatch(
          coalesceTransaction(group),
          group.at(-1)?.position ?? position,
          group[0]?.position,
        )
  }

  async #arrived(position: string): Promise<void> {
    const last = this.#inbox.at(-1)
    if (last && this.#adapter.compare(last.position, position) >= 0) return
    await this.#arrivals.for(position)
  }

  /** Removes the messages up to a position from the inbox, and returns their changes. */
  #takeUpTo(limit: string): { changes: readonly Change[]; position: string | undefined } {
    const taken: ReportedChange[] = []
    let position: string | undefined
    for (let next = this.#inbox[0]; next?.kind === 'changes'; next = this.#inbox[0]) {
      const within = (change: { position: string }) => this.#adapter.compare(change.position, limit) <= 0
      if (within(next)) {
        for (const change of next.changes) taken.push(change)
        position = next.position
        this.#inbox.shift()
        continue
      }
      const until = next.changes.findLastIndex(within) + 1
      for (const change of next.changes.slice(0, until)) taken.push(change)
      position = next.changes[until - 1]?.position ?? position
      this.#inbox[0] = { ...next, changes: next.changes.slice(until) }
      break
    }
    return { changes: decoded(taken), position }
  }
}

function coalesced(changes: readonly Change[]): Change[] {
  return groupChanges(changes).flatMap(coalesceTransaction)
}
