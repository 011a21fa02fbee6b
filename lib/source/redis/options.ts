import { invalidOption, refuseUnknown } from '../../model/unknown.ts'
import { checkOncePerHost, type OncePerHost } from '../host/index.ts'
import type { RedisClient } from './client.ts'

/** Options of {@link redis}. */
export interface RedisOptions {
  /**
   * The key of the stream to which the application appends its changes. Without a stream, changes come from
   * keyspace notifications: no client can then resume, and each reconnect loads the data again.
   */
  stream?: string
  /**
   * The approximate number of entries that the stream keeps (`MAXLEN ~`). Writes of Particle's collections
   * trim the stream to it. Default: 10,000.
   */
  maxLength?: number
  /** The prefix of all collections' keys. Default: none. */
  prefix?: string
  /**
   * Reads the stream once per host instead of once per process: `true`, or a folder for the socket of the
   * processes. Goes with `stream`. Default: `false`.
   */
  oncePerHost?: OncePerHost
}

/** Holds the options with their defaults. */
export interface Settings {
  /** The keys of the stream and of its sorted set of expiries. */
  stream: { key: string; expiries: string } | undefined
  maxLength: number
  prefix: string
  database: number
  oncePerHost: OncePerHost
}

/** Checks options. Throws `INVALID_OPTION`. A client's `keyPrefix` applies as for all commands. */
export function settingsOf(client: RedisClient, options: RedisOptions): Settings {
  if (typeof options !== 'object' || options === null) refuse('takes an object of options')
  refuseUnknown('redis(client, options): option', options, ['stream', 'maxLength', 'prefix', 'oncePerHost'])
  const { stream, maxLength = 10_000, prefix = '', oncePerHost = false } = options
  if (stream !== undefined && (typeof stream !== 'string' || stream === ''))
    refuse('needs a stream that is the name of a key')
  if (!Number.isSafeInteger(maxLength) || maxLength < 1) refuse('needs a maxLength of 1 or more entries')
  if (options.maxLength !== undefined && stream === undefined)
    refuse('has a maxLength, but no stream that it would be about')
  if (typeof prefix !== 'string') refuse('needs a prefix that is a string')
  checkOncePerHost('redis(client, options)', oncePerHost)
  if (oncePerHost && stream === undefined)
    refuse('has oncePerHost, but no stream: notifications have no positions that processes could share')
  const outer = String(client.options?.keyPrefix ?? '')
  const key = outer + (stream ?? '')
  return {
    stream: stream === undefined ? undefined : { key, expiries: `${key}:expiries` },
    maxLength,
    prefix: outer + prefix,
    database: client.options?.database ?? 0,
    oncePerHost,
  }
}

function refuse(what: string): never {
  throw invalidOption(`redis(client, options) ${what}`)
}
