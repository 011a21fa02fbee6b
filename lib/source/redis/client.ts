import { ParticleError } from '../../errors.ts'
import { describeGiven, type Mistaken } from '../../model/given.ts'
import { invalidOption } from '../../model/unknown.ts'

/** Describes a client of the package `redis` (`createClient()`), as far as Particle uses it. */
export interface RedisClient {
  readonly isOpen: boolean
  readonly options?: RedisClientSettings | undefined
  // biome-ignore lint/suspicious/noExplicitAny: the package's own options depend on six type parameters.
  duplicate(overrides?: any): RedisClient
  connect(): Promise<unknown>
  destroy(): void
  sendCommand(args: readonly string[], options?: { typeMapping?: object }): Promise<unknown>
  subscribe(channel: string, listener: (message: string, channel: string) => void): Promise<void>
  unsubscribe(channel: string): Promise<void>
  pSubscribe(pattern: string, listener: (message: string, channel: string) => void): Promise<void>
  // biome-ignore lint/suspicious/noExplicitAny: as an EventEmitter has it.
  on(event: string, listener: (...args: any[]) => void): unknown
}

/** Describes the options of a client, as far as Particle reads them. */
export interface RedisClientSettings {
  socket?: object
  database?: number
  keyPrefix?: string | Buffer
}

/** The silence after which a connection counts as dead. Particle's own connections ping more often. */
const SILENCE_MS = 20_000
const PING_MS = 5000

/** Returns plain replies, whatever type mapping the application's client has. */
const PLAIN = { typeMapping: {} }

const MISTAKEN: readonly Mistaken[] = [
  [
    ({ psubscribe, call }) => typeof psubscribe === 'function' && typeof call === 'function',
    'a client of ioredis: give await createClient({ url }).connect() of the package redis',
  ],
  [
    ({ masters }) => masters !== undefined,
    'a cluster, which Particle does not follow: give a client of a single server',
  ],
  [
    ({ acquire }) => typeof acquire === 'function',
    'a sentinel: give a client that connects to the master itself',
  ],
  [
    ({ execute, totalClients }) => typeof execute === 'function' && totalClients !== undefined,
    'a pool of clients: give one client',
  ],
  [
    ({ createClient }) => typeof createClient === 'function',
    'the package itself: give await createClient().connect()',
  ],
]

/** Checks the argument of `redis()`. Throws `INVALID_OPTION`. */
export function checkClient(client: unknown): asserts client is RedisClient {
  const given = client as Partial<RedisClient> | undefined | null
  const single = ['duplicate', 'sendCommand', 'pSubscribe'] as const
  if (
    typeof given === 'object' &&
    given !== null &&
    single.every((name) => typeof given[name] === 'function') &&
    !MISTAKEN.some(([is]) => is(given as Record<string, unknown>))
  )
    return
  throw invalidOption(
    'redis(client) takes a client of the package redis, as createClient() returns it, but ' +
      describeGiven(client, MISTAKEN),
  )
}

/** Sends a command on the application's own client. */
export async function send(client: RedisClient, args: readonly string[]): Promise<unknown> {
  checkOpen(client)
  return await client.sendCommand(args, PLAIN)
}

/** Throws `SOURCE_FAILED` for an application's client that is closed, or was never opened. */
function checkOpen(client: RedisClient): void {
  if (client.isOpen) return
  throw new ParticleError(
    'SOURCE_FAILED',
    'The client of redis(client) is not connected: await client.connect() first, and close the client last',
  )
}

/**
 * Represents a separate connection beside the application's. Does not reconnect by itself: the follower must
 * know of every gap.
 */
export class Connection {
  /** Resolves with the reason when the connection is gone. */
  readonly ended: Promise<unknown>
  readonly client: RedisClient

  private constructor(client: RedisClient) {
    this.client = client
    this.ended = new Promise((resolve) => {
      client.on('error', resolve)
      client.on('end', () => resolve(new ParticleError('CLOSED', 'The connection to Redis ended')))
    })
  }

  /** Connects as the application's client does. */
  static async open(client: RedisClient, signal: AbortSignal): Promise<Connection> {
    checkOpen(client)
    const own = client.duplicate({
      socket: { ...client.options?.socket, reconnectStrategy: false, socketTimeout: SILENCE_MS },
      pingInterval: PING_MS,
      commandOptions: {},
      clientSideCache: undefined,
      emitInvalidate: false,
      disableOfflineQueue: false,
    })
    const connection = new Connection(own)
    await new Promise<void>((resolve, reject) => {
      const abort = () => reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
      own
        .connect()
        .then(() => resolve(), reject)
        .finally(() => {
          signal.removeEventListener('abort', abort)
          if (signal.aborted) connection.destroy()
        })
    })
    return connection
  }

  async send(args: readonly string[]): Promise<unknown> {
    return await this.client.sendCommand(args, PLAIN)
  }

  /** Ends the connection at once. Pending requests are rejected. */
  destroy(): void {
    if (this.client.isOpen) this.client.destroy()
  }
}

/** The server would give the same answer again. */
const HOPELESS = /^(?:NOPERM|WRONGPASS|NOAUTH|WRONGTYPE|ERR unknown command|ERR AUTH)/

/** Checks for an error that another attempt can't mend. */
export function isHopeless(error: unknown): boolean {
  return error instanceof ParticleError || (error instanceof Error && HOPELESS.test(error.message))
}
