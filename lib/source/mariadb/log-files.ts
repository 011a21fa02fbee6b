import type { Pool } from 'mysql2'
import { Dump, isGone } from './dump.ts'
import { joinFileName, splitFileName } from './packet.ts'
import { connectionOptions, onConnection } from './pool.ts'
import { formatPosition, type Place } from './position.ts'
import { ask } from './session.ts'

/** Limits the bytes of the log that a starting node reads for the changes before its start. */
const MAX_PAST_BYTES = 64 * 1024 * 1024
/** The offset of a file's first event, after the file's magic number. */
const FIRST = 4
/** The end of the offsets that a replica can ask for. */
const OFFSETS = 2 ** 32
const PURGED = 'the log file was deleted (PURGE BINARY LOGS, or binlog_expire_logs_seconds)'
const RESET = 'the log was deleted (RESET MASTER)'
const HEARTBEAT_MS = 5000

/** Finds places in the files of a server's binary log, and checks that the files are there. */
export class LogFiles {
  readonly #pool: Pool
  readonly #identify: () => Promise<string>
  #epoch: string | undefined
  /** The times of creation of the files, by the files' names. */
  readonly #births = new Map<string, Promise<number>>()
  /** The numbers of the last transactions, as of the last check. */
  #gtids: ReadonlyMap<string, bigint> | undefined

  /** @param epoch returns a text that identifies the server and its log */
  constructor(pool: Pool, epoch: () => Promise<string>) {
    this.#pool = pool
    this.#identify = epoch
  }

  /** Returns the position of the log's present end. */
  async present(): Promise<string> {
    return formatPosition(await this.end())
  }

  /** Returns the place of the log's present end. */
  async end(): Promise<Place> {
    this.#epoch = await this.#identify()
    this.#gtids ??= await this.#lastGtids()
    for (;;) {
      const { name, at } = await this.#status()
      try {
        return await this.#place(name, at)
      } catch (error) {
        // Tries again if the file was deleted after the question for its name.
        if (!isGone(error) || (await this.#status()).name === name) throw error
      }
    }
  }

  /** Keeps the time of a file's creation, in seconds since 1970. */
  learn(name: string, birth: number): void {
    this.#births.set(name, Promise.resolve(birth))
  }

  /** Returns the position of a file's name and an offset. The server reports the place of a snapshot so. */
  async position(name: string, at: number): Promise<string> {
    return formatPosition(await this.#place(name, at))
  }

  /** Returns the name of the file with this number. */
  async nameOf(file: number): Promise<string> {
    return joinFileName(splitFileName((await this.#status()).name).base, file)
  }

  /**
   * Returns the start of the newest file that was created at least `milliseconds` ago. Limits the log after
   * the start to 64 MiB: returns the start of a newer file then, or the present end if the newest file alone
   * is longer.
   */
  async past(milliseconds: number): Promise<string> {
    const end = await this.end()
    let start = end
    let bytes = 0
    for (const { name, size } of (await this.#list()).reverse()) {
      bytes += size
      if (bytes > MAX_PAST_BYTES) break
      const place = await this.#place(name, FIRST).catch((error: unknown) => {
        if (!isGone(error)) throw error
      })
      if (!place) break
      start = place
      if (start.birth * 1000 <= Date.now() - milliseconds) break
    }
    return formatPosition(start)
  }

  /** Checks that the log still has a place. Returns the reason if the log lacks the place. */
  async missing({ epoch, file, birth, at }: Place): Promise<string | undefined> {
    this.#epoch = await this.#identify()
    this.#gtids = await this.#lastGtids()
    if (epoch !== this.#epoch) return 'the server is another one, or its log has another name'
    const files = await this.#list()
    const listed = files.find(({ name }) => splitFileName(name).file === file)
    const newest = files.at(-1)
    if (!listed) return newest && splitFileName(newest.name).file > file ? PURGED : RESET
    // Forgets the times of creation, because the log may have been deleted since they were read.
    this.#births.clear()
    const found = await this.#birthOf(listed.name).catch((error: unknown) => {
      if (!isGone(error)) throw error
    })
    if (found === undefined) return PURGED
    if (found !== birth) return RESET
    if (at < FIRST || listed.size < at) return 'the server has lost the end of its log'
    return at < OFFSETS ? undefined : 'the place is after the first 4 GiB of its log file'
  }

  /** Checks whether InnoDB still has an XA transaction in the prepared state. */
  async isPrepared(xid: string): Promise<boolean> {
    const [format, first = '', second = ''] = xid.split(':')
    const data = Buffer.from(first + second, 'hex').toString()
    const rows = await this.#ask('XA RECOVER')
    return rows.some(
      ([id, length, , bytes]) => id === format && Number(length) * 2 === first.length && bytes === data,
    )
  }

  /**
   * Checks that the log was not deleted since the last check: a new log ends before the place that was
   * reached, or, if the new log is long already, counts its transactions anew.
   */
  async reaches({ file, at }: Place): Promise<boolean> {
    const before = this.#gtids ?? []
    const gtids = await this.#lastGtids()
    const end = await this.#status()
    this.#gtids = gtids
    const present = splitFileName(end.name).file
    const goesOn = [...before].every(([domain, number]) => (gtids.get(domain) ?? 0n) >= number)
    return goesOn && (present === file ? end.at >= at : present > file)
  }

  async #place(name: string, at: number): Promise<Place> {
    this.#epoch ??= await this.#identify()
    const birth = await this.#birthOf(name)
    return { epoch: this.#epoch, file: splitFileName(name).file, birth, at, ordinal: 0 }
  }

  /** Returns the time of a file's creation. All calls share one dump. A call after a failure tries again. */
  async #birthOf(name: string): Promise<number> {
    const birth = this.#births.get(name) ?? this.#readBirth(name)
    this.#births.set(name, birth)
    try {
      return await birth
    } catch (error) {
      if (this.#births.get(name) === birth) this.#births.delete(name)
      throw error
    }
  }

  /** Reads the time of a file's creation from the file's first event. */
  async #readBirth(name: string): Promise<number> {
    let found = Number.NaN
    const dump: Dump = new Dump(
      {
        config: connectionOptions(this.#pool),
        file: name,
        at: FIRST,
        tables: () => ({}),
        heartbeat: HEARTBEAT_MS,
      },
      {
        file: (_, birth) => {
          found = birth
          dump.close()
        },
        event: () => {},
      },
    )
    await dump.run()
    return found
  }

  /** Returns the number of the log's last transaction, for each domain of GTIDs. */
  async #lastGtids(): Promise<ReadonlyMap<string, bigint>> {
    const [[text] = []] = await this.#ask('SELECT @@GLOBAL.gtid_binlog_pos')
    const gtids = (text ?? '').split(',').filter((gtid) => gtid !== '')
    return new Map(
      gtids.map((gtid) => {
        const [domain = '', , number = '0'] = gtid.split('-')
        return [domain, BigInt(number)]
      }),
    )
  }

  async #status(): Promise<{ name: string; at: number }> {
    const [[name, at] = []] = await this.#ask('SHOW MASTER STATUS')
    return { name: name ?? '', at: Number(at) }
  }

  /** Lists the log's files, the oldest first. */
  async #list(): Promise<{ name: string; size: number }[]> {
    const rows = await this.#ask('SHOW BINARY LOGS')
    return rows.map(([name, size]) => ({ name: name ?? '', size: Number(size) }))
  }

  async #ask(statement: string): Promise<(string | null)[][]> {
    return await onConnection(this.#pool, (connection) => ask(connection, statement))
  }
}
