import type { Pool } from 'mysql2'
import { Dump, isGone } from './dump.ts'
import { joinFileName, splitFileName } from './packet.ts'
import { connectionOptions, onConnection } from './pool.ts'
import { formatPosition, type Place } from './position.ts'
import { ask } from './session.ts'

/** Limits the bytes of the log that are read for the changes of before the start. */
const MAX_PAST_BYTES = 64 * 1024 * 1024
/** The offset of a file's first event, after the file's mark. */
const FIRST = 4
/** A replica can't ask for a later offset. */
const OFFSETS = 2 ** 32
const PURGED = 'the file of the log was deleted (PURGE BINARY LOGS, or binlog_expire_logs_seconds)'
const RESET = 'the log was deleted (RESET MASTER)'
const HEARTBEAT_MS = 5000

/** Knows the files of a server's binary log. */
export class LogFiles {
  readonly #pool: Pool
  readonly #identify: () => Promise<string>
  #epoch: string | undefined
  /** The times when files were created, by the files' names. */
  readonly #births = new Map<string, Promise<number>>()

  /** @param epoch identifies the server, and its log */
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
    for (;;) {
      const { name, at } = await this.#status()
      try {
        return await this.#place(name, at)
      } catch (error) {
        // Tries again if the file was ended and deleted in between.
        if (!isGone(error) || (await this.#status()).name === name) throw error
      }
    }
  }

  /** Takes note of a file's creation, in seconds since 1970. */
  learn(name: string, birth: number): void {
    this.#births.set(name, Promise.resolve(birth))
  }

  /** Returns the position of an offset in a file, as the server tells the place of a snapshot. */
  async position(name: string, at: number): Promise<string> {
    return formatPosition(await this.#place(name, at))
  }

  /** Returns the name of a file. */
  async nameOf(file: number): Promise<string> {
    return joinFileName(splitFileName((await this.#status()).name).base, file)
  }

  /**
   * Returns the start of the newest file that was created so many milliseconds ago, or of the oldest file
   * that is not far back. Returns the present end if the present file is long.
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

  /** Checks that the log still reaches back to a place. Returns the reason if it does not. */
  async missing({ epoch, file, birth, at }: Place): Promise<string | undefined> {
    this.#epoch = await this.#identify()
    if (epoch !== this.#epoch) return 'the server is another one, or its log has another name'
    const files = await this.#list()
    const listed = files.find(({ name }) => splitFileName(name).file === file)
    const newest = files.at(-1)
    if (!listed) return newest && splitFileName(newest.name).file > file ? PURGED : RESET
    // Asks the server anew: the log may have been deleted since.
    this.#births.clear()
    const found = await this.#birthOf(listed.name).catch((error: unknown) => {
      if (!isGone(error)) throw error
    })
    if (found === undefined) return PURGED
    if (found !== birth) return RESET
    if (at < FIRST || listed.size < at) return 'the server has lost the end of its log'
    return at < OFFSETS ? undefined : 'the file of the log has more than 4 GiB'
  }

  /** Checks whether a transaction of XA, by its `xid`, is still prepared in the engine. */
  async isPrepared(xid: string): Promise<boolean> {
    const [format, first = '', second = ''] = xid.split(':')
    const data = Buffer.from(first + second, 'hex').toString()
    const rows = await this.#ask('XA RECOVER')
    return rows.some(
      ([id, length, , bytes]) => id === format && Number(length) * 2 === first.length && bytes === data,
    )
  }

  /** Checks that the log's end is not before a place that was reached: else the log was deleted. */
  async reaches({ file, at }: Place): Promise<boolean> {
    const end = await this.#status()
    const present = splitFileName(end.name).file
    return present === file ? end.at >= at : present > file
  }

  async #place(name: string, at: number): Promise<Place> {
    this.#epoch ??= await this.#identify()
    const birth = await this.#birthOf(name)
    return { epoch: this.#epoch, file: splitFileName(name).file, birth, at, ordinal: 0 }
  }

  /** Finds out when a file was created, once for all who ask. Asks again after a failure. */
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

  /** Reads a file's first event, which has the time of the file's creation. */
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
