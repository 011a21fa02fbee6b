import { refuseOption, refuseUnknown } from '../../model/unknown.ts'
import type { AnyIdentity } from '../../policy/identity.ts'
import type { CacheConfig } from '../../policy/relation.ts'
import type { CollectionHandle } from '../../source/source.ts'
import { Diagnostics, type OnDebug } from '../support/diagnostics.ts'
import type { Identified, IdentityLookup } from './identity-lookup.ts'
import { type InspectorGuard, resolveInspector } from './inspector-guard.ts'
import { type Limits, type ResolvedLimits, resolveLimits } from './limits.ts'
import { type NumberForm, numberOptions } from './number-option.ts'
import type { DataSource, DependsOn } from './source-options.ts'

/**
 * Limits the log that clients resume from: by the changes' size in bytes, and by their age in milliseconds.
 */
export interface Replay {
  bytes: number
  ms: number
}

/** Configures a server. */
export interface ServerOptions<Sources = Record<string, DataSource>, Identity = AnyIdentity> {
  /** Looks up the identity of a client. Default: none, every client has the empty identity `{}`. */
  identityLookup?: IdentityLookup<Identity> | undefined
  /**
   * Names the documents that `identityLookup` reads. While a client's stream is open, the server looks its
   * identity up again after each change of these documents, and once when the stream opens (without a
   * request, as `server.refresh` does). The client then continues with its new views. Default: none.
   */
  dependsOn?: DependsOn<Identified<NoInfer<Identity>>> | undefined
  /**
   * Lists the fields that link collections, for relations written as strings: `{ users: {}, userstuffs: {
   * userId: 'users._id', stuffId: 'stuffs._id' }, stuffs: {} }`.
   */
  cacheConfig?: CacheConfig | undefined
  /** The sources of the clients' documents, by root. */
  dataSources: Sources
  /**
   * Carries the calls `revoke(query)` and `refresh(query)` to all nodes: a collection for Particle alone, or
   * `true` for `particle_control` in the store of the first source. Default: none, they apply to this
   * process.
   */
  control?: true | CollectionHandle | undefined
  /**
   * Sets the milliseconds after which a node that can't follow `control` opens no streams, and after which
   * `revoke(query)` and `refresh(query)` reject where the store does not answer. Default: 10,000.
   */
  controlTimeout?: number | undefined
  /** Called once by `server.disconnect()`. */
  disconnect?: (() => unknown) | undefined
  /**
   * Called with each event of the server: a sentence, and an object with a name and fields. The events are
   * also published on `node:diagnostics_channel`, as `particle:<name>`. Default: none.
   */
  onDebug?: OnDebug | undefined
  /**
   * Called with every error that no caller gets: errors of sources and of the application's functions.
   * Default: `console.error`.
   */
  onError?: ((error: Error) => void) | undefined
  /** The path of the routes, below the mount point. Default: `/particle`. */
  path?: string | undefined
  /**
   * Seals tokens and positions. All nodes need the same secret, of at least 16 characters. Default: a random
   * secret for this process.
   */
  secret?: string | undefined
  /**
   * Separates servers that share a `secret`, a `path` and the names of their roots. A token is valid only for
   * the server that sealed it. All nodes of one server need the same audience. Default: none.
   */
  audience?: string | undefined
  /** Sets the validity of a token, in milliseconds. Default: 1 hour. */
  sessionTtl?: number | undefined
  /**
   * Sets the milliseconds between two pings. Below 12,000, TCP's keep-alive can't find a dead client between
   * two pings. Default: 15,000.
   */
  heartbeat?: number | undefined
  /**
   * Compresses streams by gzip for clients that accept it. Events of less than 2 KB stay as they are, or of
   * less than 256 bytes if several clients get the same ones. Default: `false`.
   */
  compression?: boolean | undefined
  /** Sets the delay before a bare EventSource reconnects, in milliseconds. Default: 1,000. */
  retry?: number | undefined
  /** Limits the unsent bytes of a slow client, including those in its socket. Default: 1 MiB. */
  maxBufferedBytes?: number | undefined
  /** Limits the log that clients resume from. Default: 16 MiB and 120,000 ms. */
  replay?: Partial<Replay> | undefined
  /** Limits the number of open streams. Default: no limit of Particle's. */
  maxConnections?: number | undefined
  /** Limits the requests of clients: see {@link Limits}. Each limit has a default. */
  limits?: Limits<Identified<NoInfer<Identity>>> | undefined
  /**
   * Allows pages of other origins to connect: an origin, a list, or `*` for any origin (without cookies).
   * Default: none.
   */
  allowOrigin?: string | readonly string[] | undefined
  /**
   * Serves the inspector at `{path}/inspect` to those whom this function admits. `true` admits requests of
   * this machine, and is refused where `NODE_ENV` is `production`. Default: none, there is no inspector.
   */
  inspector?: boolean | InspectorGuard | undefined
}

/** Limits the delay of a timer, in milliseconds. A longer delay ends at once. */
export const MAX_TIMER = 2_147_483_647
/** Limits the validity of tokens to a hundred years, in milliseconds. */
const MAX_TTL = 3_155_760_000_000

/** The forms of the options that are numbers. */
const NUMBERS = {
  controlTimeout: [10_000, 100, 'ms', MAX_TIMER],
  sessionTtl: [3_600_000, 1_000, 'ms', MAX_TTL],
  heartbeat: [15_000, 10, 'ms', MAX_TIMER],
  retry: [1_000, 0, 'ms', MAX_TIMER],
  maxBufferedBytes: [1_048_576, 1_024, 'bytes'],
  maxConnections: [Number.POSITIVE_INFINITY, 1],
} as const satisfies Record<string, NumberForm>
const REPLAY: Record<keyof Replay, NumberForm> = { bytes: [16_777_216, 0, 'bytes'], ms: [120_000, 0, 'ms'] }

/** Holds the options with all defaults filled in. */
export interface ResolvedOptions extends Record<keyof typeof NUMBERS, number> {
  identityLookup: IdentityLookup | undefined
  dependsOn: DependsOn | undefined
  cacheConfig: CacheConfig | undefined
  dataSources: Record<string, DataSource>
  /** Not checked yet: see `createControl`. */
  control: unknown
  disconnect: (() => unknown) | undefined
  diagnostics: Diagnostics
  onError: (error: Error) => void
  path: string
  secret: string | undefined
  audience: string | undefined
  compression: boolean
  replay: Replay
  limits: ResolvedLimits
  allowOrigin: readonly string[]
  inspector: InspectorGuard | undefined
}

const KNOWN = [
  'identityLookup',
  'dependsOn',
  'cacheConfig',
  'dataSources',
  'control',
  'controlTimeout',
  'disconnect',
  'onDebug',
  'onError',
  'path',
  'secret',
  'audience',
  'sessionTtl',
  'heartbeat',
  'compression',
  'retry',
  'maxBufferedBytes',
  'replay',
  'maxConnections',
  'limits',
  'allowOrigin',
  'inspector',
]

/**
 * Checks the options and fills in the defaults.
 *
 * @throws ParticleError `INVALID_OPTION` that names the option and its valid form
 */
export function resolveOptions(options: ServerOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null)
    refuseOption('particle.Server takes an object of options with dataSources')
  refuseUnknown('option', options, KNOWN)
  const { dataSources } = options
  if (typeof dataSources !== 'object' || dataSources === null || Array.isArray(dataSources)) {
    refuseOption(
      'dataSources must be an object of sources by root, such as { users: { manifest, collection } }',
    )
  }
  for (const name of ['identityLookup', 'disconnect', 'onDebug', 'onError'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'function') refuseOption(`${name} must be a function`)
  }
  if (options.compression !== undefined && typeof options.compression !== 'boolean')
    refuseOption('compression must be true or false')
  if (options.dependsOn !== undefined && options.identityLookup === undefined)
    refuseOption('dependsOn lists the documents that identityLookup reads, but there is no identityLookup')
  const replay = options.replay ?? {}
  if (typeof replay !== 'object') refuseOption('replay must be { bytes, ms }')
  refuseUnknown('option replay', replay, ['bytes', 'ms'])
  const numbers = numberOptions(NUMBERS, options)
  const { heartbeat, sessionTtl } = numbers
  if (sessionTtl < heartbeat * 2)
    refuseOption(
      `sessionTtl (${sessionTtl}) must be at least twice the heartbeat (${heartbeat}): ` +
        'tokens are renewed between two pings',
    )
  return {
    ...numbers,
    identityLookup: options.identityLookup,
    dependsOn: options.dependsOn,
    cacheConfig: options.cacheConfig,
    dataSources,
    control: (options.control as unknown) === false ? undefined : options.control,
    disconnect: options.disconnect,
    diagnostics: new Diagnostics(options.onDebug),
    onError: options.onError ?? ((error) => console.error(error)),
    path: pathOf(options.path ?? '/particle'),
    secret: secretOf(options.secret),
    audience: audienceOf(options.audience),
    compression: options.compression ?? false,
    replay: numberOptions(REPLAY, replay, 'replay.'),
    limits: resolveLimits(options.limits),
    allowOrigin: origins(options.allowOrigin),
    inspector: resolveInspector(options.inspector),
  }
}

function pathOf(path: unknown): string {
  if (typeof path !== 'string' || !/^(\/[\w.~-]+)+$/.test(path))
    refuseOption('path must be such as "/particle": it starts with a slash and does not end with one')
  return path
}

function secretOf(secret: unknown): string | undefined {
  if (secret === undefined) return undefined
  if (typeof secret !== 'string' || secret.length < 16)
    refuseOption('secret must be a string of at least 16 characters')
  return secret
}

function audienceOf(audience: unknown): string | undefined {
  if (audience !== undefined && typeof audience !== 'string') refuseOption('audience must be a string')
  return audience
}

function origins(value: unknown): readonly string[] {
  if (value === undefined) return []
  const list: unknown[] = Array.isArray(value) ? value : [value]
  return list.map((origin) => {
    if (
      typeof origin !== 'string' ||
      (origin !== '*' && !(/^[a-z][a-z0-9+.-]*:\/\/[^/?#@]+$/i.test(origin) && URL.canParse(origin)))
    ) {
      refuseOption('allowOrigin must be an origin such as "https://app.example.com", a list of them, or "*"')
    }
    if (origin.length > 1 && origin.includes('*')) {
      refuseOption(
        `allowOrigin compares whole origins, and "${origin}" has a "*" in it, which matches nothing: ` +
          'list each origin, or "*" alone for any without cookies',
      )
    }
    // Normalizes the origin as browsers write it: in lower case, without a default port.
    return /^https?:/i.test(origin) ? new URL(origin).origin : origin
  })
}
