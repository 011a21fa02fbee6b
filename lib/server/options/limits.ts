import type { IncomingMessage } from 'node:http'
import type { Json } from '../../model/document.ts'
import { refuseOption, refuseUnknown } from '../../model/unknown.ts'
import { type AnyIdentity, identityKey } from '../../policy/identity.ts'
import { type NumberForm, numberOptions } from './number-option.ts'

/**
 * Limits the requests of clients. `Infinity` switches a limit off. An address is the peer's address, or the
 * one that Express returns by its setting `trust proxy`. An IPv6 network of 64 bits counts as one address.
 * The defaults suffice for an office of 500 people behind one address, for 5,000 clients that reconnect
 * within seconds after a deploy through a proxy that Express doesn't know, and for load tests on one machine.
 */
export interface Limits<Identity = AnyIdentity> {
  /** Limits the handshakes per second. 20 times as many may come at once. Default: 2,000. */
  handshakesPerSecond?: number | undefined
  /** Limits the handshakes per second of one address. 20 times as many may come at once. Default: 500. */
  handshakesPerSecondPerAddress?: number | undefined
  /**
   * Limits the handshakes that wait for their answer at the same time; at most `maxConnections`. Default:
   * 10,000.
   */
  handshakesWaiting?: number | undefined
  /** Limits the handshakes of one address that wait for their answer at the same time. Default: 5,000. */
  handshakesWaitingPerAddress?: number | undefined
  /** Limits the open and opening streams of one address. Default: 10,000. */
  streamsPerAddress?: number | undefined
  /**
   * Limits the open streams of one identity. Default: 100 with a `key`, otherwise no limit, because several
   * users may share an identity (`{ role: 'guest' }`).
   */
  streamsPerIdentity?: number | undefined
  /**
   * Returns the same text for each identity of a user; undefined for an identity that is not counted.
   * `request` is the stream's request (undefined for `server.register`). Any other answer, such as a promise,
   * refuses the stream. The function is called again when a stream continues as another identity. Default:
   * the whole identity as a text.
   */
  key?: ((identity: Identity, request: IncomingMessage | undefined) => string | undefined) | undefined
  /**
   * Sets the treatment of a stream over `streamsPerIdentity`: `refuse` answers 429, `replace` ends the oldest
   * stream of the identity with the event `revoked`. An open stream that continues as such an identity counts
   * too: `refuse` then ends it with the event `error`. Default: `refuse`.
   */
  excessStreams?: 'refuse' | 'replace' | undefined
  /**
   * Sets the longest life of a stream, in milliseconds. The stream then ends in order, and the client
   * reconnects without a loss. A random tenth is subtracted, so that not all clients reconnect at once.
   * Default: 24 hours.
   */
  streamMs?: number | undefined
  /**
   * Limits the views with open streams. A stream that needs one more view is refused (503). Default: 100,000.
   */
  views?: number | undefined
  /** Limits the roots that one client watches at a time. Default: 100. */
  maxWatched?: number | undefined
  /** Limits the idle views. The view that has been idle longest is closed. Default: 10,000. */
  restingViews?: number | undefined
  /** Limits the idle views that were created for clients of one address. Default: 2,000. */
  restingViewsPerAddress?: number | undefined
  /** Limits the documents of one view. Default: 500,000. */
  snapshotDocuments?: number | undefined
  /** Limits the bytes of one view's payload. Default: 128 MiB. */
  snapshotBytes?: number | undefined
  /** Limits the time of a source's query, in milliseconds. Default: 60,000. */
  queryMs?: number | undefined
  /** Limits the bytes of one request's body. Default: 512,000. */
  bodyBytes?: number | undefined
  /** Limits the time until a body has arrived, in milliseconds. Default: 10,000. */
  bodyMs?: number | undefined
  /**
   * Limits the bytes of all bodies that are arriving or whose requests wait for their answer. Default: 64
   * MiB.
   */
  bodyBytesWaiting?: number | undefined
  /** Limits the fields and elements of an `identityLookup` answer, at all depths. Default: 6,000. */
  identityValues?: number | undefined
  /** Limits the values of one relation step for one identity. Default: 3,000. */
  relationValues?: number | undefined
}

type Numbers = Omit<Limits, 'key' | 'excessStreams'>

/** Holds the limits with all defaults filled in. */
export type ResolvedLimits = { readonly [Name in keyof Required<Numbers>]: number } & {
  readonly key: (identity: Json, request: IncomingMessage | undefined) => string | undefined
  readonly excessStreams: 'refuse' | 'replace'
}

/** The forms of the limits that are numbers. */
const NUMBERS: Readonly<Record<keyof Numbers, NumberForm>> = {
  handshakesPerSecond: [2_000, 0.05],
  handshakesPerSecondPerAddress: [500, 0.05],
  handshakesWaiting: [10_000, 1],
  handshakesWaitingPerAddress: [5_000, 1],
  streamsPerAddress: [10_000, 1],
  streamsPerIdentity: [100, 1],
  streamMs: [86_400_000, 1_000, 'ms'],
  views: [100_000, 1],
  maxWatched: [100, 1],
  restingViews: [10_000, 0],
  restingViewsPerAddress: [2_000, 0],
  snapshotDocuments: [500_000, 1],
  snapshotBytes: [134_217_728, 1_024, 'bytes'],
  queryMs: [60_000, 10, 'ms'],
  bodyBytes: [512_000, 1_024, 'bytes'],
  bodyMs: [10_000, 10, 'ms'],
  bodyBytesWaiting: [67_108_864, 1_024, 'bytes'],
  identityValues: [6_000, 1],
  relationValues: [3_000, 1],
}

/**
 * Checks the limits and fills in the defaults.
 *
 * @throws ParticleError `INVALID_OPTION` that names the limit and its valid form
 */
export function resolveLimits(limits: Limits<never> = {}): ResolvedLimits {
  if (typeof limits !== 'object' || limits === null)
    refuseOption('limits must be an object, such as { streamsPerAddress: 1000 }')
  refuseUnknown('option limits', limits, [...Object.keys(NUMBERS), 'key', 'excessStreams'])
  const { key, excessStreams = 'refuse' } = limits
  if (key !== undefined && typeof key !== 'function')
    refuseOption('limits.key must be a function (identity, request)')
  if (excessStreams !== 'refuse' && excessStreams !== 'replace')
    refuseOption('limits.excessStreams must be "refuse" or "replace"')
  const hasNoLimit = key === undefined && limits.streamsPerIdentity === undefined
  return {
    ...numberOptions(NUMBERS, limits, 'limits.'),
    ...(hasNoLimit ? { streamsPerIdentity: Number.POSITIVE_INFINITY } : {}),
    key: (key as ResolvedLimits['key'] | undefined) ?? identityKey,
    excessStreams,
  }
}
