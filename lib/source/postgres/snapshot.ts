/**
 * Represents the transactions that a read sees: `xmin:xmax:xip,xip,...`, as `pg_current_snapshot()` writes
 * them.
 */
export class Snapshot {
  readonly #end: number
  readonly #running: ReadonlySet<number>

  constructor(text: string) {
    const [, end = '0', running = ''] = text.split(':')
    this.#end = low(end)
    this.#running = new Set(running === '' ? [] : running.split(',').map(low))
  }

  /** Checks that the snapshot sees a recently committed transaction. */
  sees(xid: number): boolean {
    // Compares by the shorter way round: the numbers of transactions wrap.
    return ((xid - this.#end) | 0) < 0 && !this.#running.has(xid)
  }
}

/** Returns the number of a transaction as in the WAL: the lower 32 bits. */
function low(xid: string): number {
  return Number(BigInt(xid) & 0xffffffffn)
}
