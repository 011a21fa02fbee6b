import type { LogEvent, RowsEvent } from './log-event.ts'
import { kindOf } from './statement.ts'

/** Describes a part of a transaction, with its index in the transaction. */
export type Part = { readonly index: number } & (
  | RowsEvent
  | { readonly kind: 'statement'; readonly home: string; readonly text: string }
  /** Stands for changes of any rows. */
  | { readonly kind: 'unknown' }
  /** Takes back some of the rows before it. */
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
  /** The name of a prepared transaction of XA that commits here: `format:hex:hex`. */
  readonly xid?: string | undefined
}

/** Represents a transaction that has begun. */
interface Begun {
  readonly at: number
  readonly isAlone: boolean
  readonly xid: string | undefined
  readonly parts: Part[]
}

/** Joins the events of the log to transactions. */
export class Transactions {
  /** The parts of the prepared transactions of XA, by their names. */
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
   * such a part of a transaction at the end of a file, and rolls it back.
   */
  begin(at: number): void {
    this.#begun = undefined
    this.#at = at
  }

  /**
   * Takes note that rows of more tables are wanted from here on. A transaction that was prepared before lacks
   * them, so that its commit may change any rows.
   */
  widen(): void {
    this.#prepared.clear()
    if (this.#begun?.xid !== undefined) this.#begun.parts.splice(0, Infinity, { kind: 'unknown', index: 1 })
  }

  /** Takes an event. Returns the transaction that ends with it. */
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
        this.#begun = { at: this.#at, isAlone: event.isAlone, xid: event.xid, parts: [] }
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
        // Reloads all tables if the transaction was prepared before the first event that was read.
        for (const part of parts ?? [{ kind: 'unknown', index } as const]) this.#begun?.parts.push(part)
        return this.#end(event)
      }
      default:
        return this.#put({ kind: 'statement', index, home, text }, event)
    }
  }

  /** Adds a part. Ends the transaction if the part is all of it. */
  #put(part: Part, event: LogEvent): Transaction | undefined {
    this.#begun ??= { at: this.#at, isAlone: true, xid: undefined, parts: [] }
    this.#begun.parts.push(part)
    return this.#begun.isAlone ? this.#end(event) : undefined
  }

  #end({ end, time }: LogEvent): Transaction | undefined {
    const begun = this.#begun
    this.#begun = undefined
    return begun && { at: begun.at, end, time, parts: begun.parts, xid: begun.xid }
  }
}
