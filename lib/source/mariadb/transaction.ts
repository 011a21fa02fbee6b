import type { LogEvent, RowsEvent } from './log-event.ts'
import { kindOf } from './statement.ts'

/** Describes a part of a transaction, with its index in the transaction. */
export type Part = { readonly index: number } & (
  | RowsEvent
  | { readonly kind: 'statement'; readonly home: string; readonly text: string }
  /** Represents changes of any rows. */
  | { readonly kind: 'unknown' }
  /** Takes back some of the earlier rows of the transaction. */
  | { readonly kind: 'rollback to' }
)

/** Represents a committed transaction, or a statement outside of transactions. */
export interface Transaction {
  /** The offset at which the transaction starts: the end of the event before it. */
  readonly at: number
  /** The offset after the transaction. */
  readonly end: number
  /** The time of the commit, in milliseconds since 1970. */
  readonly time: number
  readonly parts: readonly Part[]
  /** The name of a prepared XA transaction that this transaction commits: `format:hex:hex`. */
  readonly xid?: string | undefined
}

/** Represents a transaction that has begun. */
interface Begun {
  readonly at: number
  readonly isStandalone: boolean
  readonly xid: string | undefined
  readonly parts: Part[]
}

/** Groups the events of the log into transactions. */
export class Transactions {
  /** The parts of the prepared XA transactions, by their names. */
  readonly #prepared = new Map<string, readonly Part[]>()
  #begun: Begun | undefined
  #at = 0

  /** The start of the transaction under way, or the end of the last event. */
  get at(): number {
    return this.#begun?.at ?? this.#at
  }

  /** Checks whether a transaction is under way. */
  get isOpen(): boolean {
    return this.#begun !== undefined
  }

  /**
   * Begins to read at an offset of a file. Drops the transaction under way: a server that was killed leaves
   * part of a transaction at the end of a file, and rolls the transaction back.
   */
  begin(at: number): void {
    this.#begun = undefined
    this.#at = at
  }

  /**
   * Prepares for the rows of more tables. The parts of an XA transaction that was prepared before lack these
   * rows, so its commit may change any rows.
   */
  widen(): void {
    this.#prepared.clear()
    if (this.#begun?.xid !== undefined) this.#begun.parts.splice(0, Infinity, { kind: 'unknown', index: 1 })
  }

  /** Adds an event. Returns the transaction that ends with the event. */
  add(event: LogEvent): Transaction | undefined {
    const transaction = this.#add(event)
    this.#at = event.end
    return transaction
  }

  #add(event: LogEvent): Transaction | undefined {
    const { index, kind } = event
    switch (kind) {
      case 'reached':
        return undefined
      case 'begin':
        this.#begun = { at: this.#at, isStandalone: event.isStandalone, xid: event.xid, parts: [] }
        return undefined
      case 'commit':
        return this.#end(event)
      case 'prepared': {
        const { xid, parts = [] } = this.#begun ?? {}
        if (xid !== undefined) this.#prepared.set(xid, parts)
        this.#begun = undefined
        return undefined
      }
      case 'statement':
        return this.#statement(event)
      case 'unknown':
        return this.#put({ kind, index }, event)
      default:
        return this.#put(event, event)
    }
  }

  #statement(event: LogEvent & { kind: 'statement' }): Transaction | undefined {
    const { index, home, text } = event
    const kind = kindOf(text)
    switch (kind) {
      case 'begin':
      case 'savepoint':
      case 'xa':
        return undefined
      case 'commit':
        return this.#end(event)
      case 'rollback':
        this.#begun = undefined
        return undefined
      case 'rollback to':
        return this.#put({ kind, index }, event)
      case 'xa commit':
      case 'xa rollback': {
        const { xid = '' } = this.#begun ?? {}
        const parts = this.#prepared.get(xid)
        this.#prepared.delete(xid)
        if (kind === 'xa rollback') {
          this.#begun = undefined
          return undefined
        }
        // Reloads all tables if the log was not read when the transaction was prepared.
        for (const part of parts ?? [{ kind: 'unknown', index } as const]) this.#begun?.parts.push(part)
        return this.#end(event)
      }
      default:
        return this.#put({ kind: 'statement', index, home, text }, event)
    }
  }

  /** Adds a part. Ends the transaction if the part is a single statement. */
  #put(part: Part, event: LogEvent): Transaction | undefined {
    this.#begun ??= { at: this.#at, isStandalone: true, xid: undefined, parts: [] }
    this.#begun.parts.push(part)
    return this.#begun.isStandalone ? this.#end(event) : undefined
  }

  #end({ end, time }: LogEvent): Transaction | undefined {
    const begun = this.#begun
    this.#begun = undefined
    return begun && { at: begun.at, end, time, parts: begun.parts, xid: begun.xid }
  }
}
