import type { Client, ClientConfig, Connection } from 'pg'
import type { LogicalReplicationService } from 'pg-logical-replication'
import { Decoder, type Message } from './pgoutput.ts'
import { formatLsn, parseLsn } from './position.ts'
import { settings, withinPatience } from './session.ts'

/** Options of a {@link WalStream}. */
export interface WalStreamOptions {
  /** The pool's settings, for a separate connection. */
  config: ClientConfig
  publication: string
  /** The temporary slot to make. */
  slot: string
  /** The permanent slot to copy, so that the stream reaches back as far. */
  anchor: string | undefined
  /** The start; `undefined` for now. */
  from: bigint | undefined
  /** Ends a session of the server by its process id. */
  terminate(pid: number): Promise<void>
}

/** Receives the messages of a {@link WalStream}, each synchronously. */
export interface WalStreamHandler {
  /** Reports the start: transactions whose commits begin at this LSN or later follow. */
  started(lsn: bigint): void
  message(message: Message, bytes: number): void
  /** Reports that all transactions whose commits begin before this LSN have been sent. */
  heartbeat(lsn: bigint): void
}

/** Describes the socket and the protocol of a client, which the `pg` package does not declare. */
interface ClientInside {
  readonly connection: Connection & {
    endCopyFrom(): void
    stream: { pause(): void; resume(): void; destroy(): void }
  }
  readonly processID: number | null
}

const STATUS_MS = 1000
/** The silence after which a connection counts as dead, though the server is asked every {@link PING_MS}. */
const SILENCE_MS = 30_000
const PING_MS = 8000

/** Reads the server's WAL on one connection, through a temporary slot that ends with the connection. */
export class WalStream {
  readonly #options: WalStreamOptions
  readonly #handler: WalStreamHandler
  #service: LogicalReplicationService | undefined
  #client: (Client & ClientInside) | undefined
  #started = false
  #closed = false
  #done: Promise<void> | undefined
  /** The LSN before which the server need not send anything again. */
  #confirmed = 0n
  #sent = 0n
  #heard = Date.now()
  #isPaused = false
  #failure: Error | undefined

  constructor(options: WalStreamOptions, handler: WalStreamHandler) {
    this.#options = options
    this.#handler = handler
  }

  /** Reads until the close, which resolves the promise, or until a failure, which rejects it. */
  async run(): Promise<void> {
    this.#done = this.#run()
    await this.#done
  }

  /** Allows the server, soon, to forget everything before this LSN. */
  confirm(lsn: bigint): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn
  }

  pause(): void {
    this.#isPaused = true
    this.#client?.connection.stream.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#heard = Date.now()
    this.#client?.connection.stream.resume()
  }

  /** Ends the connection for a reason that `run()` rejects with. */
  fail(error: Error): void {
    this.#failure = error
    this.#client?.connection.stream.destroy()
  }

  /** Ends the connection, and with it the slot. */
  async close(): Promise<void> {
    this.#closed = true
    const client = this.#client
    if (!client) return
    // Ends the session by another one while the slot is being created: the server would see the close only
    // after that.
    if (this.#started) client.connection.endCopyFrom()
    else if (client.processID) await withinPatience(this.#options.terminate(client.processID))
    await withinPatience(this.#done?.catch(() => {}))
    client.connection.stream.destroy()
    await this.#done?.catch(() => {})
  }

  async #run(): Promise<void> {
    try {
      await this.#read()
      if (!this.#closed) throw new Error('The server ended the replication')
    } catch (error) {
      throw this.#failure ?? error
    } finally {
      await withinPatience(this.#service?.destroy())
      this.#client?.connection.stream.destroy()
    }
  }

  async #read(): Promise<void> {
    const { LogicalReplicationService } = await import('pg-logical-replication')
    if (this.#closed) return
    const service = new LogicalReplicationService(this.#options.config, {
      // Confirms by hand, because the service would confirm unhandled messages.
      acknowledge: { auto: false, timeoutSeconds: 0 },
    })
    this.#service = service
    hear(service, (error) => {
      this.#failure ??= error
    })
    const decoder = new Decoder()
    service.on('start', () => {
      this.#started = true
      this.#heard = Date.now()
      this.#guarded(() => this.#handler.started(this.#confirmed))
    })
    service.on('data', (_lsn: string, { message, bytes }: { message: Message; bytes: number }) => {
      this.#heard = Date.now()
      this.#guarded(() => this.#handler.message(message, bytes))
    })
    service.on('heartbeat', (lsn: string, _time: number, respond: boolean) => {
      this.#heard = Date.now()
      this.#guarded(() => this.#handler.heartbeat(parseLsn(lsn)))
      if (respond) this.#tell(false)
    })
    service.on('error', (error: Error) => {
      this.#failure ??= error
    })
    const timer = setInterval(() => this.#keep(), STATUS_MS)
    timer.unref()
    try {
      await service.subscribe(
        {
          name: 'pgoutput',
          options: {},
          start: (client) => this.#start(client as Client & ClientInside),
          parse: (bytes) => ({
            message: this.#guarded(() => decoder.decode(bytes)) ?? { tag: 'other' },
            bytes: bytes.length,
          }),
        },
        this.#options.slot,
      )
    } finally {
      clearInterval(timer)
    }
  }

  async #start(client: Client & ClientInside): Promise<void> {
    this.#client = client
    const { slot, anchor, publication, from } = this.#options
    await client.query(settings('SESSION'))
    let reach: bigint
    if (anchor === undefined || from === undefined) {
      // Creates the slot. The server waits for the transactions under way, so that a later read sees all
      // commits before the slot's start.
      const { rows } = await client.query(
        `CREATE_REPLICATION_SLOT "${slot}" TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
      )
      reach = parseLsn(String(rows[0]?.consistent_point))
    } else {
      const { rows } = await client.query(
        `SELECT lsn::text FROM pg_catalog.pg_copy_logical_replication_slot('${anchor}', '${slot}', true)`,
      )
      reach = parseLsn(String(rows[0]?.lsn))
    }
    if (this.#closed) return
    const begin = from === undefined || from < reach ? reach : from
    this.#confirmed = begin
    const { rows } = await client.query(
      `SELECT pg_catalog.current_setting('server_version_num')::int4 AS version`,
    )
    const messages = Number(rows[0]?.version) >= 140_000 ? `, messages 'true'` : ''
    await client.query(
      `START_REPLICATION SLOT "${slot}" LOGICAL ${formatLsn(begin)}
        (proto_version '1', publication_names '"${publication}"'${messages})`,
    )
  }

  /** Turns an exception into the end of the connection. Otherwise it would end the process. */
  #guarded<T>(run: () => T): T | undefined {
    if (this.#closed || this.#failure) return undefined
    try {
      return run()
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
      return undefined
    }
  }

  /** Sends the progress each second, pings a silent server, and gives up a dead one. */
  #keep(): void {
    if (!this.#started || this.#closed) return
    const silence = this.#isPaused ? 0 : Date.now() - this.#heard
    if (silence > SILENCE_MS) this.fail(new Error(`The server has sent nothing for ${SILENCE_MS / 1000} s`))
    else if (silence > PING_MS) this.#tell(true)
    else if (this.#confirmed > this.#sent) this.#tell(false)
  }

  #tell(ping: boolean): void {
    this.#sent = this.#confirmed
    // Subtracts one, because the service adds one: the next stream would miss a transaction that begins
    // exactly there.
    void this.#service?.acknowledge(formatLsn(this.#confirmed - 1n), ping)
  }
}

/**
 * Listens to the errors of a service's client from the client's creation on. The service itself begins a step
 * after the connection is made, and an error of that step would end the process.
 */
function hear(service: LogicalReplicationService, listener: (error: Error) => void): void {
  let client: Client | null = null
  Object.defineProperty(service, '_client', {
    get: () => client,
    set: (made: Client | null) => {
      client = made
      made?.on('error', listener)
    },
  })
}
