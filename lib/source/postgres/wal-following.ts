import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import type { Lookup } from '../completion.ts'
import { reportChanges } from '../report.ts'
import { RetryLoop } from '../retry-loop.ts'
import type { ChangeListener, ReportedChange } from '../source.ts'
import { type Anchor, heldBytes } from './anchor.ts'
import type { FollowedTable } from './followed-table.ts'
import { type Context, isHopeless } from './follower.ts'
import { KnownRows } from './known-rows.ts'
import type { Message } from './pgoutput.ts'
import { comparePositions, formatPosition, type Place } from './position.ts'
import { endSession, stateOf } from './session.ts'
import type { Snapshot } from './snapshot.ts'
import { WalStream } from './stream.ts'
import { collectionOf, type Transaction, type Translation, translateTransaction } from './transaction.ts'
import { WalQueue } from './wal-queue.ts'

/** Options of a {@link WalFollowing}. */
export interface WalFollowingOptions extends Context {
  epoch: string
  /** Returns the server's present epoch. A failover starts a new epoch. */
  present(): Promise<{ epoch: string }>
  publication: string
  /** The prefix of the WAL messages that announce a changed table. */
  prefix: string
  anchor: Anchor | undefined
  slotBytes: number
  /** The followed tables, in their first state. The map grows. */
  tables: ReadonlyMap<string, FollowedTable>
  /** The place to start at; `undefined` for now. */
  from: Place | undefined
  lookup: Lookup
  /** Reports that a table may have been altered. */
  altered(): void
}

/**
 * Follows the WAL for one listener: keeps a stream open, joins the messages of a transaction, and reports
 * whole transactions.
 *
 *     WAL --messages--> transaction --commit--> queue --types, looked-up documents--> listener
 *     connection lost --> new slot at the same place, or without a history `lost` --> listener
 */
export class WalFollowing {
  /** The start of the changes. */
  startPosition = ''
  /** The last position that was reported to the listener. */
  position = ''
  readonly #options: WalFollowingOptions
  readonly #listener: ChangeListener
  readonly #loop: RetryLoop
  readonly #queue: WalQueue
  /** The tables that got another shape on the way. */
  readonly #reshaped = new Map<string, FollowedTable>()
  readonly #rows = new KnownRows()
  #transaction: Transaction | undefined
  /** The transaction that was translated last. */
  #translating: Transaction | undefined
  #stream: WalStream | undefined
  #slot = ''
  #at: bigint | undefined
  #epoch: string
  #xids: number[] = []
  #announced = false
  #finish: () => void = () => {}
  readonly #end = new Promise<void>((resolve) => {
    this.#finish = resolve
  })

  constructor(options: WalFollowingOptions, listener: ChangeListener) {
    this.#options = options
    this.#listener = listener
    this.#at = options.from?.at
    this.#epoch = options.epoch
    this.#queue = new WalQueue({
      ...options,
      translate: (transaction) => this.#translated(transaction),
      reshape: (translation) => this.#reshape(translation),
      tell: (changes, lsn) => this.#tell(changes, lsn),
      failed: (error) => listener.error(error),
      broken: (error) => this.#stream?.fail(error instanceof Error ? error : new Error(String(error))),
      pause: () => this.#stream?.pause(),
      resume: () => this.#stream?.resume(),
    })
    this.#loop = new RetryLoop({
      attempt: () => this.#follow(),
      isHopeless,
      failed: (error) => this.#failed(error),
      recovered: () => listener.progress(this.position),
    })
  }

  /** Resolves when the server has accepted the stream; rejects when another attempt can't help. */
  get opened(): Promise<void> {
    return this.#loop.opened
  }

  /** The progress: all commits that begin before this LSN were reported. */
  get at(): bigint | undefined {
    return this.#at
  }

  /**
   * Switches the report of a lost history: before this call it moves the start position, afterwards the
   * listener gets it.
   */
  announce(): void {
    this.#announced = true
  }

  /**
   * The numbers of the transactions that were reported, or are about to be, and that some reads may not see.
   */
  get xids(): number[] {
    return [...this.#xids]
  }

  /** Forgets the transactions that this read sees, because every later read sees them too. */
  forget(snapshot: Snapshot): void {
    this.#xids = this.#xids.filter((xid) => !snapshot.sees(xid))
  }

  /** Gives up the slot if it keeps more WAL than allowed. */
  async check(): Promise<void> {
    const { pool, slotBytes } = this.#options
    const stream = this.#stream
    const held = await heldBytes(pool, this.#slot)
    if (stream && held !== undefined && held > slotBytes) {
      stream.fail(
        new ParticleError(
          'SOURCE_FAILED',
          `The slot ${this.#slot} made the server keep ${held} bytes of WAL, more than 'slotBytes' allows`,
        ),
      )
    }
  }

  async close(): Promise<void> {
    const closed = this.#loop.close()
    this.#queue.close()
    this.#finish()
    await this.#stream?.close()
    await closed
  }

  get #closed(): boolean {
    return this.#loop.isClosed
  }

  async #failed(error: unknown): Promise<undefined> {
    this.#listener.error(error)
    // Drops an anchor that is older than the publication, or lost by the server: neither gets better.
    if (['42704', '55000'].includes(stateOf(error))) await this.#options.anchor?.drop().catch(() => {})
  }

  async #follow(): Promise<void> {
    const { config, publication, anchor, pool } = this.#options
    // Waits for the slot or the close: a new slot may take long, which must not delay a close.
    await Promise.race([anchor?.ensure(), this.#end])
    if (this.#closed) return
    const { epoch } = await this.#options.present()
    // Drops the place: the LSNs of another timeline are other places.
    if (epoch !== this.#epoch) this.#at = undefined
    this.#epoch = epoch
    this.#transaction = undefined
    this.#slot = `${publication}_${process.pid}_${randomBytes(6).toString('hex')}`
    const stream = new WalStream(
      {
        config: config(),
        publication,
        slot: this.#slot,
        anchor: anchor?.slot,
        from: this.#at,
        terminate: (pid) => endSession(pool, pid),
      },
      {
        started: (lsn) => this.#started(lsn),
        message: (message, bytes) => this.#message(message, bytes),
        heartbeat: (lsn) => this.#beat(lsn),
      },
    )
    if (this.#closed) return
    this.#stream = stream
    try {
      await stream.run()
    } finally {
      this.#stream = undefined
      // Reports all received messages first: only then is the next start known.
      await this.#queue.drained()
    }
  }

  #started(lsn: bigint): void {
    const { from } = this.#options
    const epoch = this.#epoch
    if (this.startPosition === '' || !this.#announced) {
      const honoured = from?.epoch === epoch && lsn <= from.at
      this.startPosition = honoured
        ? formatPosition(epoch, from.at, from.ordinal)
        : formatPosition(epoch, lsn)
      this.position = this.startPosition
    } else if (this.#at === undefined || lsn > this.#at) {
      this.position = formatPosition(epoch, lsn)
      const missing = this.#options.anchor
        ? 'the permanent slot does not reach back to it'
        : 'with the connection to PostgreSQL went its slot'
      const why = this.#at === undefined ? 'PostgreSQL is on another timeline' : missing
      this.#listener.lost(`The history is lost: ${why}`, this.position)
    }
    if (this.#at === undefined || lsn > this.#at) this.#at = lsn
    this.#loop.succeeded()
  }

  #beat(lsn: bigint): void {
    const isShown = this.#listener.encoded?.isShown
    if (isShown) this.#rows.sweep((relation) => isShown(collectionOf(relation)))
    this.#queue.add({ reached: lsn })
  }

  #message(message: Message, bytes: number): void {
    switch (message.tag) {
      case 'begin':
        // Lists the fields: each copy by a spread has a hidden class of its own.
        this.#transaction = {
          lsn: message.lsn,
          time: message.time,
          xid: message.xid,
          messages: [],
          bytes: 0,
        }
        break
      case 'commit': {
        const transaction = this.#transaction
        this.#transaction = undefined
        if (!transaction) break
        this.#xids.push(transaction.xid)
        this.#queue.add({ transaction })
        break
      }
      case 'relation':
        this.#options.altered()
        break
      case 'other':
        break
      default:
        if (!this.#transaction) break
        this.#transaction.messages.push(message)
        this.#transaction.bytes += bytes
    }
  }

  #translated(transaction: Transaction): Translation {
    const { types, tables, prefix } = this.#options
    const table = (collection: string) => this.#reshaped.get(collection) ?? tables.get(collection)
    const isShown = this.#listener.encoded?.isShown
    const rows = this.#rows
    // Forgets the rows for a repeated translation, which needs them as they were before the first one.
    if (transaction === this.#translating) rows.clear()
    this.#translating = transaction
    return translateTransaction(transaction, { epoch: this.#epoch, types, table, prefix, rows, isShown })
  }

  #reshape({ reshaped }: Translation): void {
    for (const table of reshaped) this.#reshaped.set(table.collection, table)
  }

  /** Reports changes, and that all commits before this LSN were reported. */
  #tell(changes: readonly ReportedChange[], lsn: bigint): void {
    if (this.#closed) return
    // Skips the changes that come again after a lost connection.
    const isFresh = ({ position }: ReportedChange) => comparePositions(position, this.position) > 0
    const [first] = changes
    const fresh = first && !isFresh(first) ? changes.filter(isFresh) : changes
    const reached = formatPosition(this.#epoch, lsn)
    const last = fresh.at(-1)?.position ?? this.position
    const position = comparePositions(reached, last) > 0 ? reached : last
    if (position === this.position) return
    reportChanges(this.#listener, fresh, position)
    this.#at = lsn
    this.position = position
    this.#stream?.confirm(lsn)
  }
}
