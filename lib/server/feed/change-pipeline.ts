import type { Adapter, Change, ChangeListener, DocumentChange } from '../../source/source.ts'
import { retryUntil } from '../support/scheduling.ts'
import { groupChanges } from './change.ts'
import { complete, type Found, lookUp } from './lookup.ts'
import { PositionWaiters } from './position-waiters.ts'
import { coalesceTransaction } from './transaction.ts'

/** Where an pipeline hands on what it took in. */
export interface PipelineHost {
  /** Whether some view needs the document of an update. */
  needsDocument(change: DocumentChange): boolean
  /**
   * Changes that are to be shown at once, after which the source is at the position; or none. `begin`: where
   * the first was of those that they come of.
   */
  dispatch(changes: readonly Change[], position: string, begin?: string): void
  /** All that was dispatched since the last call came together: clients are told of it now. */
  deliver(): void
  lost(reason: string, position: string): void
  failed(error: unknown): void
}

interface ChangesMessage {
  kind: 'changes'
  changes: readonly Change[]
  position: string
}

type Message = ChangesMessage | { kind: 'lost'; reason: string; position: string }

/** How often documents are looked up again because more changes need theirs meanwhile. */
const MAX_ROUNDS = 5

/**
 * What one subscription of an adapter tells, in order: where a view can't do without a document, it is looked
 * up before the change is handed on.
 */
export class ChangePipeline {
  /** What the adapter is to tell. */
  readonly listener: ChangeListener
  readonly #adapter: Adapter
  readonly #host: PipelineHost
  readonly #inbox: Message[] = []
  readonly #arrivals: PositionWaiters
  /** Until it is begun, and while something is being looked up, what comes waits. */
  #busy = true
  #closed = false

  constructor(adapter: Adapter, host: PipelineHost) {
    this.#adapter = adapter
    this.#host = host
    this.#arrivals = new PositionWaiters(adapter)
    this.listener = {
      changes: (changes, position) => this.#receive({ kind: 'changes', changes, position }),
      progress: (position) => this.#receive({ kind: 'changes', changes: [], position }),
      lost: (reason, position) => this.#receive({ kind: 'lost', reason, position }),
      error: (error) => {
        if (!this.#closed) host.failed(error)
      },
    }
  }

  /** Hands on what has come, and what comes from now on. */
  begin(): void {
    this.#busy = false
    this.#drain()
  }

  /** Hands nothing on any more. */
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

  /** Works the inbox off: synchronously, until something has to be looked up. */
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
   * Hands changes on, group by group, since what one needs may depend on what was shown of those before it;
   * true where a document must be looked up first.
   */
  #dispatchAll(message: ChangesMessage): boolean {
    const { changes, position } = message
    let done = 0
    for (const group of groupChanges(changes)) {
      const net = coalesceTransaction(group)
      if (net.some((change) => this.#needsDocument(change))) {
        void this.#lookUp({ ...message, changes: changes.slice(done) }).then(() => {
          if (!this.#closed) this.begin()
        })
        return true
      }
      done += group.length
      const end = done < changes.length ? (group.at(-1)?.position ?? position) : position
      this.#host.dispatch(net, end, group[0]?.position)
    }
    if (changes.length === 0) this.#host.dispatch(changes, position)
    return false
  }

  #needsDocument(change: Change): change is DocumentChange {
    if (!this.#adapter.lookup || change.kind !== 'update' || change.document) return false
    return this.#host.needsDocument(change)
  }

  /**
   * Hands changes on once their documents are at hand, together with all that the source told until they were
   * looked up.
   */
  async #lookUp(message: ChangesMessage): Promise<void> {
    let { changes, position } = message
    let found: Found = { documents: new Map(), position: undefined }
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      const needed = netOf(changes).filter((change) => this.#needsDocument(change))
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
      if (!netOf(later.changes).some((change) => this.#needsDocument(change))) break
    }
    const whole = complete(changes, found)
    // Documents are those of after the last change, if that is known.
    if (found.position !== undefined) this.#host.dispatch(netOf(whole), position, whole[0]?.position)
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

  /** Takes what has come up to a position out of the inbox. */
  #takeUpTo(limit: string): { changes: Change[]; position: string | undefined } {
    const taken: Change[] = []
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
    return { changes: taken, position }
  }
}

function netOf(changes: readonly Change[]): Change[] {
  return groupChanges(changes).flatMap(coalesceTransaction)
}
