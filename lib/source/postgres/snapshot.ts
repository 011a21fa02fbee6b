/** Which transactions a reading sees: `xmin:xmax:xip,xip,...`, as `pg_current_snapshot()` writes it. */
export class Snapshot {
  readonly #end: number
  readonly #running: ReadonlySet<number>

  constructor(text: string) {
    const [, end = '0', running = ''] = text.split(':')
    this.#end = low(end)
    this.#running = new Set(running === '' ? [] : running.split(',').map(low))
  }

  /** Whether it sees what a committed transaction of the recent past has done. */
  sees(xid: number): boolean {
    // Numbers of transactions go round: which of two is later, the shorter way tells.
    return ((xid - this.#end) | 0) < 0 && !this.#running.has(xid)
  }
}

/** The number of a transaction as the WAL has it: the lower 32 bits. */
function low(xid: string): number {
  return Number(BigInt(xid) & 0xffffffffn)
}
