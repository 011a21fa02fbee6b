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
  /** Returns the tables whose rows are wanted, by their databases. Those of others are not decoded. */
  tables(): Record<string, string[]>
  /** The time after which a server without events sends a heartbeat, in milliseconds. */
  heartbeat: number
}

/** Receives the events of a {@link Dump}, each synchronously. */
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

/** The heartbeats that may be missing before a connection counts as dead. */
const MISSED_HEARTBEATS = 3
/** The command of replication takes an offset of 32 bits. */
const OFFSETS = 2 ** 32
const FORMAT_EVENT = 15
const ROTATE_EVENT = 4
const UNDECODABLE = 'SOURCE_FAILED'
/** ER_MASTER_FATAL_ERROR_READING_BINLOG: before the first event, the place is missing in the log. */
const FATAL_READING = 1236
const END_OF_DUMP = 0xfe
/** Keeps the other connection open for a year, the longest time: it rests while the log is read. */
const RESTING = 'SET SESSION wait_timeout = 31536000'

/**
 * Reads the server's binary log from one place on, as a replica does, until the close or a failure.
 *
 * The reader `zongji` decodes the events. It expects in all files what the server writes at present: with or
 * without checksums. This class looks at each file's first event, and starts the reader again for the other
 * kind of file: wrong bytes would be decoded to wrong rows without an error.
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
    if (this.#options.at >= OFFSETS) throw new Error('The place lies after the first 4 GiB of its file')
    const { heartbeat } = this.#options
    const watchdog = setInterval(() => {
      this.#silence += 1
      // Counts ticks instead of time: a process that was busy for long has events waiting.
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

  /** Applies a change of the wanted tables to the events that follow. */
  select(): void {
    this.#reader?.start({ includeSchema: this.#options.tables() })
  }

  /** Ends the reading for a reason that `run()` rejects with. */
  fail(reason: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#settle(reason instanceof Error ? reason : new Error(String(reason)))
  }

  /** Ends the reading. */
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
    // Stops at the first failure: the reader would go on with the next event, and leave this one out.
    reader.on('error', (error) => guarded(() => this.fail(this.#describe(error))))
    reader.on('binlog', (event) => guarded(() => this.#read(event)))
    reader.on('ready', () => {
      const connection = reader.connection as Inside | null
      const nanoseconds = heartbeat * 1_000_000
      const set = `SET @master_binlog_checksum = 'CRC32', @master_heartbeat_period = ${nanoseconds}`
      // Waits for this answer: all packets after it are events of the log.
      connection?.query(set, (error) =>
        guarded(() => {
          if (error) throw error
          this.#tap(connection, isCurrent)
        }),
      )
      reader.ctrlConnection?.query(RESTING, (error) => guarded(() => error && this.fail(error)))
    })
    // Takes a number that no replica has: the server ends the dump of an equal number.
    const serverId = randomInt(2 ** 30, 2 ** 31)
    reader.start({ serverId, filename: this.#file, position: at, includeSchema: tables() })
  }

  /** Looks at each packet before the reader. */
  #tap(connection: Inside, isCurrent: () => boolean): void {
    const handle = connection.handlePacket.bind(connection)
    connection.handlePacket = (packet) => {
      if (!isCurrent()) return
      this.#silence = 0
      try {
        // Skips a packet that a pause of the reader puts off: it comes here again.
        if (packet && !connection._paused) this.#look(packet)
      } catch (error) {
        this.fail(error)
      }
      if (isCurrent()) handle(packet)
    }
    connection.on('end', () => {
      if (isCurrent()) this.fail(new Error('The server ended the connection'))
    })
  }

  #look({ buffer, start, end }: Packet): void {
    const body = buffer.subarray(start + 4, end)
    if (body[0] === END_OF_DUMP) throw new Error('The server ended the dump')
    const header = headerOf(body)
    if (!header) return
    this.#events.next(header)
    if (header.type === ROTATE_EVENT) {
      const { name, at } = nextFileOf(body, this.#file)
      // Counts offsets anew only in another file: the first event names the file that the dump starts in.
      if (name !== this.#file) this.#events = new LogReader(at)
      this.#file = name
    } else if (header.type === FORMAT_EVENT) this.#begin(body, header)
  }

  /** Begins a file, if the reader decodes files of its kind. */
  #begin(body: Buffer, { timestamp }: Header): void {
    // Reads the algorithm: the byte before the event's own checksum, 0 for none.
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

  /** Tells a failure to read the log from a lost connection, whose errors have a code of the system's. */
  #describe(error: unknown): unknown {
    const { errno, fatal, message } = error as { errno?: unknown; fatal?: unknown; message?: unknown }
    const isConnection = errno !== undefined || fatal !== undefined
    if (isConnection && !(isGone(error) && this.#hasBegun)) return error
    return new ParticleError(UNDECODABLE, `The server's log can't be read on: ${message}`, { cause: error })
  }

  #read(event: Parameters<LogReader['read']>[0]): void {
    const read = this.#events.read(event)
    if (read) this.#handler.event(read)
  }
}

/** Checks for the failure to read an event, which may fail in the same way each time. */
export function isUndecodable(error: unknown): boolean {
  return error instanceof ParticleError && error.code === UNDECODABLE
}

/** Checks for the failure to begin a dump, because the log lacks its file or its place. */
export function isGone(error: unknown): boolean {
  return numberOf(error) === FATAL_READING
}

/** Ends a reader, with its connections and the server's side of them. */
async function stop(reader: ZongJi | undefined): Promise<void> {
  if (!reader) return
  await new Promise<void>((resolve) => {
    reader.once('stopped', resolve)
    reader.stop()
  })
  reader.on('error', () => {})
}
