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
import { loadDefinition } from './snapshot.ts'
import { type Transaction, Transactions } from './transaction.ts'
import { Translation } from './translation.ts'
import { XaCommits } from './xa-commits.ts'

/** Options of a {@link Following}. */
export interface FollowingOptions extends Pick<DefinitionsOptions, 'references'> {
  pool: Pool
  files: LogFiles
  /** The place to start at; `undefined` for the present end of the log. */
  from: Place | undefined
  /** The interval of the checks that the log was not deleted, in milliseconds. */
  checkInterval: number
  /** The time after which a silent server sends a heartbeat, in milliseconds. Default: 5000. */
  heartbeat?: number
}

const HEARTBEAT_MS = 5000

/**
 * Follows the binary log for one listener: keeps a dump open, joins the dump's events to transactions, and
 * reports whole transactions.
 *
 *     dump --events--> transaction --commit--> translation --once a turn--> listener
 *     connection lost --> new dump at the same place; if the log lacks that place: `lost` --> listener
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
  readonly #xaCommits: XaCommits
  readonly #rounds = new Rounds()
  #transactions = new Transactions()
  #dump: Dump | undefined
  /** The collections to read again as soon as no transaction is under way. */
  readonly #again = new Set<string>()
  /** The place to start the next dump at; `undefined` for the present end of the log. */
  #place: Place | undefined
  /** Explains why the next dump does not start at the place that was reached. */
  #reason: string | undefined
  /** The place after the last whole transaction of the dump. */
  #reached: Place | undefined
  #changes: Change[] = []
  #isScheduled = false
  #announced = false
  /** The position at which an event could not be decoded. */
  #failedAt: string | undefined
  /** Marks that the log lacked the place of an attempt, until the next dump begins. */
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
    this.#xaCommits = new XaCommits({
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

  /** Resolves when the server has accepted the dump. Rejects when another attempt can't help. */
  get opened(): Promise<void> {
    return this.#loop.opened
  }

  /**
   * Makes a lost history be reported to the listener. Before this call, a lost history moves the start
   * position.
   */
  announce(): void {
    this.#announced = true
  }

  /**
   * Starts to report the changes of a collection.
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
    // Drops changes that were not reported. The dump starts before them, and has them again.
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
      // Reports all whole transactions. The next dump starts after the last of them.
      this.#report()
    }
  }

  /**
   * Checks that the log was not deleted. After a RESET MASTER, the server may keep the deleted first file
   * open for a dump, and send nothing but heartbeats.
   */
  async #check(): Promise<void> {
    const [dump, place] = [this.#dump, this.#reached]
    if (!dump || !place) return
    const isThere = await this.#options.files.reaches(place)
    if (!isThere && dump === this.#dump)
      dump.fail(new Error('The log ends before the place that was reached: it was deleted'))
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
    // Tries again at once. The log was deleted after the last check, and the next check finds the reason.
    if (isGone(error) && !this.#isGone) {
      this.#isGone = true
      return 'at once'
    }
    this.#listener.error(error)
    if (!isUndecodable(error)) return undefined
    // Drops the place at the second failure. The first failure may come from a log that is being deleted.
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
    void this.#xaCommits.add(transaction.xid, collections)
  }

  /**
   * Selects the tables that are wanted at present. Reads a collection again if the dump may have left out its
   * rows.
   */
  #select(): void {
    if (!this.#dump) return
    for (const collection of this.#definitions.unselected()) this.#again.add(collection)
    if (this.#again.size === 0) return
    this.#transactions.widen()
    this.#dump.select()
    this.#schedule()
  }

  /** Schedules one report for a turn of the event loop, because a packet has many transactions. */
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
      // Reports a lost history. The server's clock was set back, so that this file is older than the last
      // one, as after a RESET MASTER: earlier positions have no order with the new ones.
      this.#changes = []
      this.position = reached
      this.#place = this.#reached
      this.#listener.lost('The history is lost: the time of the log went back', reached)
    }
    for (const collection of this.#xaCommits.take(this.#reached)) this.#again.add(collection)
    if (!this.#transactions.isOpen) this.#readAgain()
    const changes = this.#changes
    // Skips changes that were reported before. A dump repeats them after a lost connection.
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
   * Adds the changes that make collections be read again, at positions between the last transaction and the
   * next one. The next transaction starts at the same offset, and its ordinals are larger.
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
