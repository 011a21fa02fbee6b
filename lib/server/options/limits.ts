import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { refuseUnknown } from '../../model/unknown.ts'
import { type AnyIdentity, identityKey } from '../../policy/identity.ts'
import { numberOption } from './number-option.ts'

/**
 * What clients may ask of a server. `Infinity` switches a limit off. An address is the peer's, or what
 * Express says by its setting `trust proxy`; of IPv6, a network of 64 bits counts as one address. The
 * defaults hold for an office of 500 people behind one address, for 5,000 clients that come back within
 * seconds of a deploy through a proxy that Express doesn't know, and for load tests on one machine.
 */
export interface Limits<Identity = AnyIdentity> {
  /** Handshakes a second, in all; 20 seconds' worth may come at once. Default: 2,000. */
  handshakesPerSecond?: number | undefined
  /** Handshakes a second from one address; 20 seconds' worth may come at once. Default: 500. */
  handshakesPerSecondPerAddress?: number | undefined
  /**
   * Handshakes that wait for their answer at the same time, in all; never more than `maxConnections`.
   * Default: 10,000.
   */
  handshakesWaiting?: number | undefined
  /** Handshakes that wait for their answer at the same time, from one address. Default: 5,000. */
  handshakesWaitingPerAddress?: number | undefined
  /** Streams from one address, open and being opened. Default: 10,000. */
  streamsPerAddress?: number | undefined
  /**
   * Open streams of one identity. Default: 100 where there is a `key`. Without, several users may share one
   * identity (`{ role: 'guest' }`), and there is no limit.
   */
  streamsPerIdentity?: number | undefined
  /**
   * What counts as one identity: the same text for the same user; undefined for one that isn't counted.
   * `request` is the stream's, undefined for `server.register`. Anything else than a text or undefined (a
   * promise, say) refuses the stream. Called again when a stream goes on as another identity. Default: the
   * whole identity.
   */
  key?: ((identity: Identity, request: IncomingMessage | undefined) => string | undefined) | undefined
  /**
   * What happens to a stream of an identity that has as many as it may: `refuse` answers it with 429,
   * `replace` ends the oldest with the event `revoked` in its place. A stream that goes on as such an
   * identity
   * counts too: `refuse` ends it with the event `error`. Default: `refuse`.
   */
  excessStreams?: 'refuse' | 'replace' | undefined
  /**
   * How long a stream lives, in milliseconds: then it ends in order, and the client comes back without a
   * loss. A tenth of it is left to chance, so that not all come back at once. Default: 24 hours.
   */
  streamMs?: number | undefined
  /** Views that clients look at: a stream that would need another one is refused (503). Default: 100,000. */
  views?: number | undefined
  /** Views that rest, in all; the one that was left first is forgotten. Default: 10,000. */
  restingViews?: number | undefined
  /** Views that rest and that clients of one address caused. Default: 2,000. */
  restingViewsPerAddress?: number | undefined
  /** Documents of one view. Default: 500,000. */
  snapshotDocuments?: number | undefined
  /** Bytes of one view, as they are sent. Default: 128 MiB. */
  snapshotBytes?: number | undefined
  /** How long a query of a source may take, in milliseconds. Default: 60,000. */
  queryMs?: number | undefined
  /** Bytes of one request's body. Default: 512,000. */
  bodyBytes?: number | undefined
  /** How long a body may take to arrive, in milliseconds. Default: 10,000. */
  bodyMs?: number | undefined
  /** Bytes of all bodies that are arriving, or whose requests wait for their answer. Default: 64 MiB. */
  bodyBytesWaiting?: number | undefined
  /** Fields and elements in what `identityLookup` returns, at all depths. Default: 6,000. */
  identityValues?: number | undefined
  /** Values that one step of a relation leads to, for one identity. Default: 3,000. */
  relationValues?: number | undefined
}

type Numbers = Omit<Limits, 'key' | 'excessStreams'>

/** Limits with every default in its place. */
export type ResolvedLimits = { readonly [Name in keyof Required<Numbers>]: number } & {
  readonly key: (identity: Json, request: IncomingMessage | undefined) => string | undefined
  readonly excessStreams: 'refuse' | 'replace'
}

/** The default of each limit that is a number, and the least that it may be. */
const NUMBERS: { readonly [Name in keyof Required<Numbers>]: readonly [standard: number, least: number] } = {
  handshakesPerSecond: [2_000, 0.05],
  handshakesPerSecondPerAddress: [500, 0.05],
  handshakesWaiting: [10_000, 1],
  handshakesWaitingPerAddress: [5_000, 1],
  streamsPerAddress: [10_000, 1],
  streamsPerIdentity: [100, 1],
  streamMs: [86_400_000, 1_000],
  views: [100_000, 1],
  restingViews: [10_000, 0],
  restingViewsPerAddress: [2_000, 0],
  snapshotDocuments: [500_000, 1],
  snapshotBytes: [134_217_728, 1_024],
  queryMs: [60_000, 10],
  bodyBytes: [512_000, 1_024],
  bodyMs: [10_000, 10],
  bodyBytesWaiting: [67_108_864, 1_024],
  identityValues: [6_000, 1],
  relationValues: [3_000, 1],
}

/**
 * Checks the limits and fills in the defaults.
 * @throws ParticleError `INVALID_OPTION`, with a sentence that says what was meant.
 */
export function resolveLimits(limits: Limits<never> = {}): ResolvedLimits {
  if (typeof limits !== 'object' || limits === null)
    throw new ParticleError('INVALID_OPTION', 'limits must be an object, such as { streamsPerAddress: 1000 }')
  refuseUnknown('option limits', limits, [...Object.keys(NUMBERS), 'key', 'excessStreams'])
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, [standard, least]]) => [
      name,
      numberOption(`limits.${name}`, limits[name as keyof Numbers], standard, least),
    ]),
  ) as Record<keyof Numbers, number>
  const { key, excessStreams = 'refuse' } = limits
  if (key !== undefined && typeof key !== 'function')
    throw new ParticleError('INVALID_OPTION', 'limits.key must be a function (identity, request)')
  if (excessStreams !== 'refuse' && excessStreams !== 'replace')
    throw new ParticleError('INVALID_OPTION', 'limits.excessStreams must be "refuse" or "replace"')
  const hasNoLimit = key === undefined && limits.streamsPerIdentity === undefined
  return {
    ...numbers,
    ...(hasNoLimit ? { streamsPerIdentity: Number.POSITIVE_INFINITY } : {}),
    key: (key as ResolvedLimits['key'] | undefined) ?? identityKey,
    excessStreams,
  }
}
