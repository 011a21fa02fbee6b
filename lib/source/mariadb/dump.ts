import { randomInt } from 'node:crypto'
import type ZongJi from '@vlasky/zongji'
import type { Connection, ConnectionOptions } from 'mysql2'
import { ParticleError } from '../../errors.ts'
import { type LogEvent, LogReader } from './log-event.ts'
import { type Header, headerOf, nextFileOf } from './packet.ts'
import { numberOf } from './session.ts'

/** Options of a {@link Dump}. */
export interface DumpOptions {
  /** The settings of the connections. */
  config: ConnectionOptions
  /** The name of the log's file to start in. */
  file: string
  /** The offset to start at. */
  at: number
  /** Returns the tables whose rows are wanted, by their databases. Rows of other tables are not decoded. */
  tables(): Record<string, string[]>
  /** The time after which a server without events sends a heartbeat, in milliseconds. */
  heartbeat: number
}

/** Handles the events of a {@link Dump} synchronously. */
export interface DumpHandler {
  /** Reports the file that the next events come from, and its creation in seconds since 1970. */
  file(name: string, birth: number, at: number): void
  event(event: LogEvent): void
}

/** Describes a packet of mysql2, which the package does not declare. */
interface Packet {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
}

/** Describes the inside of mysql2's connections, which the package does not declare. */
type Inside = Connection & { _paused: boolean; handlePacket(packet?: Packet): void }

/** The number of heartbeats that may be missing before a connection counts as lost. */
const MISSED_HEARTBEATS = 3
/** The end of the offsets at which a dump can start: the command of replication has 32 bits for them. */
const OFFSETS = 2 ** 32
const FORMAT_EVENT = 15
const ROTATE_EVENT = 4
const UNDECODABLE = 'SOURCE_FAILED'
/** ER_MASTER_FATAL_ERROR_READING_BINLOG. Before the first event, it means that the log lacks the place. */
const FATAL_READING = 1236
const END_OF_DUMP = 0xfe
/** Keeps the reader's second connection open for a year, the longest time, because it is idle. */
const RESTING = 'SET SESSION wait_timeout = 31536000'

/**
 * Reads the server's binary log from one place on, as a replica does, until the close or a failure.
 *
 * The reader `zongji` decodes the events. The reader applies the server's present setting, with or without
 * checksums, to all files. This class reads the setting of each file from the file's first event, and starts
 * the reader again if the setting differs. Otherwise the reader would decode wrong rows without an error.
 */
export class Dump {
  readonly #options: DumpOptions
  readonly #handler: DumpHandler
  #reader: ZongJi | undefined
  #events: LogReader
  #file: string
  #hasChecksums = true
  #hasBegun = false
  /** Counts the ticks since the last packet. */
  #silence = 0
  #isClosed = false
  #settle: (failure?: Error) => void = () => {}
  readonly #done: Promise<void>

  constructor(options: DumpOptions, handler: DumpHandler) {
    this.#options = options
    this.#handler = handler
    this.#file = options.file
    this.#events = new LogReader(options.at)
    this.#done = new Promise((resolve, reject) => {
      this.#settle = (failure) => (failure ? reject(failure) : resolve())
    })
    this.#done.catch(() => {})
  }

  /** Reads until the close, which resolves the promise, or until a failure, which rejects it. */
  async run(): Promise<void> {
    if (this.#options.at >= OFFSETS) throw new Error('The place is after the first 4 GiB of its log file')
    const { heartbeat } = this.#options
    const watchdog = setInterval(() => {
      this.#silence += 1
      // Counts ticks instead of time, because events may wait while the process is busy.
      if (this.#silence > MISSED_HEARTBEATS) this.fail(new Error('The server sends no heartbeats'))
    }, heartbeat).unref()
    try {
      await this.#start(this.#options.at)
      await this.#done
    } finally {
      clearInterval(watchdog)
      this.#isClosed = true
      await stop(this.#reader)
    }
  }

  /** Applies the present choice of tables to the events that follow. */
  select(): void {
    this.#reader?.start({ includeSchema: this.#options.tables() })
  }

  /** Ends the dump. The promise of `run()` rejects with the reason. */
  fail(reason: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#settle(reason instanceof Error ? reason : new Error(String(reason)))
  }

  /** Ends the dump. The promise of `run()` resolves. */
  close(): void {
    this.#isClosed = true
    this.#settle()
  }

  async #start(at: number): Promise<void> {
    const { default: Reader } = await import('@vlasky/zongji')
    if (this.#isClosed) return
    const { config, heartbeat, tables } = this.#options
    const reader = new Reader({
      ...config,
      rowsAsArray: false,
      nestTables: false,
      typeCast: true,
      // Keep all digits of all values.
      dateStrings: true,
      jsonStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: false,
      timezone: 'Z',
    })
    this.#reader = reader
    const hasChecksums = this.#hasChecksums
    Object.defineProperty(reader, 'useChecksum', { get: () => hasChecksums, set: () => {} })
    const isCurrent = () => !this.#isClosed && this.#reader === reader
    const guarded = (work: () => void) => {
      if (!isCurrent()) return
      try {
        work()
      } catch (error) {
        this.fail(this.#describe(error))
      }
    }
    // Stops at the first failure, because the reader would skip the event and continue.
    reader.on('error', (error) => guarded(() => this.fail(this.#describe(error))))
    reader.on('binlog', (event) => guarded(() => this.#read(event)))
    reader.on('ready', () => {
      const connection = reader.connection as Inside | null
      const nanoseconds = heartbeat * 1_000_000
      const set = `SET @master_binlog_checksum = 'CRC32', @master_heartbeat_period = ${nanoseconds}`
      // Waits for the answer to this query. All later packets are events of the log.
      connection?.query(set, (error) =>
        guarded(() => {
          if (error) throw error
          this.#tap(connection, isCurrent)
        }),
      )
      reader.ctrlConnection?.query(RESTING, (error) => guarded(() => error && this.fail(error)))
    })
    // Draws a number that no replica is likely to have, because the server ends a dump of the same number.
    const serverId = randomInt(2 ** 30, 2 ** 31)
    reader.start({ serverId, filename: this.#file, position: at, includeSchema: tables() })
  }

  /** Examines each packet before the reader does. */
  #tap(connection: Inside, isCurrent: () => boolean): void {
    const handle = connection.handlePacket.bind(connection)
    connection.handlePacket = (packet) => {
      if (!isCurrent()) return
      this.#silence = 0
      try {
        // Skips a packet while the reader is paused, because the same packet comes again.
        if (packet && !connection._paused) this.#examine(packet)
      } catch (error) {
        this.fail(error)
      }
      if (isCurrent()) handle(packet)
    }
    connection.on('end', () => {
      if (isCurrent()) this.fail(new Error('The server ended the connection'))
    })
  }

  #examine({ buffer, start, end }: Packet): void {
    const body = buffer.subarray(start + 4, end)
    if (body[0] === END_OF_DUMP) throw new Error('The server ended the dump')
    const header = headerOf(body)
    if (!header) return
    this.#events.next(header)
    if (header.type === ROTATE_EVENT) {
      const { name, at } = nextFileOf(body, this.#file)
      // Resets the offset only for another file, because the first event names the file of the start.
      if (name !== this.#file) this.#events = new LogReader(at)
      this.#file = name
    } else if (header.type === FORMAT_EVENT) this.#begin(body, header)
  }

  /** Begins a file. Starts the reader again if its setting of checksums is not that of the file. */
  #begin(body: Buffer, { timestamp }: Header): void {
    // Reads the algorithm of the checksums: the byte before the event's own checksum. 0 means none.
    const hasChecksums = body.at(-5) === 1
    if (hasChecksums === this.#hasChecksums) {
      this.#hasBegun = true
      this.#handler.file(this.#file, timestamp, this.#events.at)
      return
    }
    this.#hasChecksums = hasChecksums
    const { at } = this.#events
    void stop(this.#reader)
    this.#reader = undefined
    this.#start(at).catch((error) => this.fail(error))
  }

  /** Wraps a failure to read the log. Returns an error of the connection, which has a code, as it is. */
  #describe(error: unknown): unknown {
    const { errno, fatal, message } = error as { errno?: unknown; fatal?: unknown; message?: unknown }
    const isConnection = errno !== undefined || fatal !== undefined
    if (isConnection && !(isGone(error) && this.#hasBegun)) return error
    return new ParticleError(UNDECODABLE, `The binary log can't be read on: ${message}`, { cause: error })
  }

  #read(event: Parameters<LogReader['read']>[0]): void {
    const read = this.#events.read(event)
    if (read) this.#handler.event(read)
  }
}

/** Checks for the failure to read an event. The same event may fail each time. */
export function isUndecodable(error: unknown): boolean {
  return error instanceof ParticleError && error.code === UNDECODABLE
}

/** Checks for the failure to begin a dump because the log lacks the file or the place. */
export function isGone(error: unknown): boolean {
  return numberOf(error) === FATAL_READING
}

/** Ends a reader, with its connections and the server's threads of them. */
async function stop(reader: ZongJi | undefined): Promise<void> {
  if (!reader) return
  await new Promise<void>((resolve) => {
    reader.once('stopped', resolve)
    reader.stop()
  })
  reader.on('error', () => {})
}
