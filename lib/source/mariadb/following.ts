import type { Pool } from 'mysql2'
import { isoTime } from '../../model/iso-time.ts'
import { reportChanges } from '../report.ts'
import { RetryLoop } from '../retry-loop.ts'
import { Rounds } from '../rounds.ts'
import type { Change, ChangeListener } from '../source.ts'
import { Definitions, type DefinitionsOptions } from './definitions.ts'
import { Dump, isGone, isUndecodable } from './dump.ts'
import type { LogEvent } from './log-event.ts'
import type { LogFiles } from './log-files.ts'
import { splitFileName } from './packet.ts'
import { connectionOptions } from './pool.ts'
import { comparePositions, formatPosition, type Place, parsePosition } from './position.ts'
import { isHopeless } from './server.ts'
import { Settling } from './settling.ts'
import { loadDefinition } from './snapshot.ts'
import { type Transaction, Transactions } from './transaction.ts'
import { Translation } from './translation.ts'

/** Options of a {@link Following}. */
export interface FollowingOptions extends Pick<DefinitionsOptions, 'references'> {
  pool: Pool
  files: LogFiles
  /** The place to start at; `undefined` for now. */
  from: Place | undefined
  /** The interval of the checks that the log was not deleted, in milliseconds. */
  checkInterval: number
  /** The time after which a silent server sends a heartbeat, in milliseconds. Default: 5000. */
  heartbeat?: number
}

const HEARTBEAT_MS = 5000

/**
 * Follows the binary log for one listener: keeps a dump open, joins its events to transactions, and reports
 * whole transactions.
 *
 *     dump --events--> transaction --commit--> translation --once a turn--> listener
 *     connection lost --> new dump at the same place, or without a history `lost` --> listener
 */
export class Following {
  /** The start of the changes. */
  startPosition = ''
  /** The last position that was reported to the listener. */
  position = ''
  readonly #options: FollowingOptions
  readonly #listener: ChangeListener
  readonly #loop: RetryLoop
  readonly #definitions: Definitions
  readonly #settling: Settling
  readonly #rounds = new Rounds()
  #transactions = new Transactions()
  #dump: Dump | undefined
  /** The collections to read again as soon as no transaction is under way. */
  readonly #again = new Set<string>()
  /** The place to start the next dump at; `undefined` for now. */
  #place: Place | undefined
  /** Explains why the place was given up. */
  #reason: string | undefined
  /** The place before the next event of the dump, whose `at` is that of its last whole transaction. */
  #reached: Place | undefined
  #changes: Change[] = []
  #isScheduled = false
  #announced = false
  /** The position at which an event could not be decoded. */
  #failedAt: string | undefined
  /** Marks an attempt at a place that was missing, until the next dump begins. */
  #isGone = false
  #finish: () => void = () => {}
  readonly #end = new Promise<void>((resolve) => {
    this.#finish = resolve
  })

  constructor(options: FollowingOptions, listener: ChangeListener) {
    this.#options = options
    this.#listener = listener
    this.#place = options.from
    this.#loop = new RetryLoop({
      attempt: () => this.#follow(),
      isHopeless: (error) => !isUndecodable(error) && isHopeless(error),
      failed: (error) => this.#failed(error),
      recovered: () => listener.progress(this.position),
    })
    this.#settling = new Settling({
      files: options.files,
      settled: () => this.#schedule(),
      failed: (error) => listener.error(error),
      signal: this.#loop.signal,
    })
    this.#rounds.begin(
      options.checkInterval,
      () => this.#check(),
      (error) => this.#dump?.fail(error),
    )
    this.#definitions = new Definitions({
      references: options.references,
      load: (reference) => loadDefinition(options.pool, reference),
      loaded: () => this.#select(),
      failed: (error) => listener.error(error),
      signal: this.#loop.signal,
    })
  }

  /** Resolves when the server has accepted the dump; rejects when another attempt can't help. */
  get opened(): Promise<void> {
    return this.#loop.opened
  }

  /**
   * Switches the report of a lost history: before this call it moves the start position, afterwards the
   * listener gets it.
   */
  announce(): void {
    this.#announced = true
  }

  /**
   * Reports the changes of this collection from here on.
   *
   * @throws ParticleError `INVALID_OPTION` for a table that can't be shown
   */
  async prepare(collection: string): Promise<void> {
    this.#select()
    await this.#definitions.prepare(collection)
  }

  async close(): Promise<void> {
    this.#rounds.end()
    const closed = this.#loop.close()
    this.#finish()
    this.#dump?.close()
    await closed
  }

  async #follow(): Promise<void> {
    const start = await Promise.race([this.#locate(), this.#end])
    if (!start || this.#loop.isClosed) return
    const { place, name } = start
    const { pool, files, heartbeat = HEARTBEAT_MS } = this.#options
    let isStarted = false
    // Drops changes that the listener did not take: the dump starts before them.
    this.#changes = []
    const dump = new Dump(
      {
        config: connectionOptions(pool),
        file: name,
        at: place.at,
        tables: () => this.#definitions.select(),
        heartbeat,
      },
      {
        file: (fileName, birth, at) => {
          const { file } = splitFileName(fileName)
          files.learn(fileName, birth)
          this.#transactions.begin(at)
          this.#reached = { ...place, file, birth, at, ordinal: 0 }
          if (isStarted) this.#schedule()
          else this.#started(place)
          isStarted = true
        },
        event: (event) => this.#event(event),
      },
    )
    this.#dump = dump
    try {
      await dump.run()
    } finally {
      this.#dump = undefined
      // Reports all whole transactions first: only then is the next start known.
      this.#report()
    }
  }

  /**
   * Checks that the log was not deleted. After a RESET MASTER, the server keeps the first file of the log
   * open for its dumps, and sends heartbeats without an end.
   */
  async #check(): Promise<void> {
    const [dump, place] = [this.#dump, this.#reached]
    if (!dump || !place) return
    const isThere = await this.#options.files.reaches(place)
    if (!isThere && dump === this.#dump)
      dump.fail(new Error('The log ends before the place that was reached'))
  }

  /** Finds the place to start at. */
  async #locate(): Promise<{ place: Place; name: string }> {
    const { files } = this.#options
    await this.#definitions.loadAll()
    const reason = this.#place && (await files.missing(this.#place))
    if (reason !== undefined) this.#drop(reason)
    const place = this.#place ?? (await files.end())
    return { place, name: await files.nameOf(place.file) }
  }

  #drop(reason: string): void {
    this.#place = undefined
    this.#reason = reason
    this.#transactions = new Transactions()
  }

  #failed(error: unknown): 'at once' | undefined {
    // Looks at the log again, which tells why: it was deleted since it was looked at.
    if (isGone(error) && !this.#isGone) {
      this.#isGone = true
      return 'at once'
    }
    this.#listener.error(error)
    if (!isUndecodable(error)) return undefined
    // Gives the place up the second time: the first failure may come from a log that is being deleted.
    if (this.#failedAt === this.position) this.#drop('an event of the log could not be decoded')
    else this.#failedAt = this.position
    return undefined
  }

  #started(place: Place): void {
    if (this.#reached?.birth !== place.birth) throw new Error('The log was deleted while the dump began')
    const position = formatPosition(place)
    if (this.startPosition === '' || !this.#announced) {
      this.startPosition = position
      this.position = position
    } else if (this.#reason !== undefined) {
      this.position = position
      this.#listener.lost(`The history is lost: ${this.#reason}`, position)
    }
    this.#reason = undefined
    this.#isGone = false
    this.#place = place
    this.#loop.succeeded()
  }

  #event(event: LogEvent): void {
    const transaction = this.#transactions.add(event)
    if (transaction) this.#translate(transaction)
    if (this.#transactions.isOpen || !this.#reached) return
    this.#reached = { ...this.#reached, at: event.end, ordinal: 0 }
    this.#schedule()
  }

  #translate(transaction: Transaction): void {
    if (!this.#reached) return
    const translation = new Translation(transaction, this.#reached, this.#definitions)
    for (const part of transaction.parts) translation.add(part)
    for (const change of translation.changes) this.#changes.push(change)
    if (transaction.xid === undefined || translation.changes.length === 0) return
    const collections = new Set(translation.changes.map(({ collection }) => collection))
    void this.#settling.add(transaction.xid, collections)
  }

  /** Selects the tables that are wanted now. Reads a collection again if its rows may have been left out. */
  #select(): void {
    if (!this.#dump) return
    for (const collection of this.#definitions.unselected()) this.#again.add(collection)
    if (this.#again.size === 0) return
    this.#transactions.widen()
    this.#dump.select()
    this.#schedule()
  }

  /** Reports once a turn: a packet has many transactions. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      try {
        this.#report()
      } catch (error) {
        this.#dump?.fail(error)
      }
    })
  }

  #report(): void {
    this.#isScheduled = false
    if (this.#loop.isClosed || !this.#reached) return
    const reached = formatPosition(this.#reached)
    if (Number.isNaN(comparePositions(reached, this.position))) {
      // Gives all positions of before up: the server's clock was set back, so that this file is older than
      // the last one, as after a RESET MASTER.
      this.#changes = []
      this.position = reached
      this.#place = this.#reached
      this.#listener.lost('The history is lost: the time of the log went back', reached)
    }
    for (const collection of this.#settling.take(this.#reached)) this.#again.add(collection)
    if (!this.#transactions.isOpen) this.#readAgain()
    const changes = this.#changes
    // Skips the changes that come again after a lost connection.
    const isFresh = ({ position }: Change) => comparePositions(position, this.position) > 0
    const [first] = changes
    const fresh = first && !isFresh(first) ? changes.filter(isFresh) : changes
    const last = fresh.at(-1)?.position ?? this.position
    const position = comparePositions(reached, last) > 0 ? reached : last
    if (position === this.position) {
      this.#changes = []
      return
    }
    reportChanges(this.#listener, fresh, position)
    this.#changes = []
    this.position = position
    this.#place = parsePosition(position)
  }

  /**
   * Makes collections be read again, at places between the last transaction and the next: the ordinals of a
   * transaction's changes are larger.
   */
  #readAgain(): void {
    const place = this.#reached
    const present = parsePosition(this.position)
    if (!place) return
    let ordinal = present && present.file === place.file && present.at === place.at ? present.ordinal : 0
    for (const collection of this.#again) {
      ordinal += 1
      const position = formatPosition({ ...place, ordinal })
      this.#changes.push({ kind: 'reload', position, timestamp: isoTime(Date.now()), collection })
    }
    this.#again.clear()
  }
}
