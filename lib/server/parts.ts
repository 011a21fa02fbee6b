import { randomBytes } from 'node:crypto'
import { parseCacheConfig } from '../policy/relation.ts'
import { formatPoint } from '../protocol/position.ts'
import { Admissions } from './auth/admission.ts'
import { AdmissionControl } from './auth/admission-control.ts'
import { createControl } from './control/create.ts'
import { connectionHost } from './delivery/connection-host.ts'
import { Log } from './feed/log.ts'
import { PendingRights } from './feed/pending-rights.ts'
import { checkSetup } from './hints/setup.ts'
import { Warnings } from './hints/warnings.ts'
import { Inspector } from './inspector/inspector.ts'
import { resolveOptions, type ServerOptions } from './options/options.ts'
import { SourcePositions } from './registry/source-positions.ts'
import { Sources } from './registry/sources.ts'
import { Views } from './registry/views.ts'
import { Dependencies } from './relations/dependencies.ts'
import { LiveQueries } from './relations/live-query.ts'
import { Rights } from './rights.ts'
import { Barriers } from './sessions/barriers.ts'
import { Doorway } from './sessions/doorway.ts'
import { IdentityStreams } from './sessions/identity-streams.ts'
import { Opener } from './sessions/opener.ts'
import { Streams } from './sessions/streams.ts'
import { Watches } from './sessions/watches.ts'
import { Shutdown } from './shutdown.ts'
import { statsOf } from './stats.ts'
import { asError, guarded } from './support/failure.ts'
import { Faults } from './support/faults.ts'
import { PositionSeal } from './tokens/position-seal.ts'
import { scopeOf } from './tokens/token.ts'
import { Upkeep } from './upkeep.ts'

/** The parts of a server. */
export type Parts = ReturnType<typeof createParts>

/**
 * Checks the options, and creates the parts of a server: the data side (log, sources, views), the rights side
 * (admissions, decisions), then the streams, which use both.
 *
 * @throws ParticleError `INVALID_OPTION`, `INVALID_MANIFEST` or `INVALID_QUERY` when an option is wrong
 */
export function createParts(given: ServerOptions) {
  const resolved = resolveOptions(given)
  const options = { ...resolved, onError: guarded(resolved.onError) }
  const { diagnostics, replay, maxBufferedBytes, limits, dataSources, cacheConfig, dependsOn } = options
  const faults = new Faults(options.onError)
  const failed = (error: unknown, source: string) => faults.pass(asError(error, source))
  const onFault = (error: Error) => faults.report(error)
  const log = new Log(replay)
  const epoch = randomBytes(6).toString('hex')
  const point = (sequence: number, adapters: readonly string[] = sources.positions) =>
    formatPoint({ epoch, sequence, adapters })
  const pending = new PendingRights()
  const base = { log, adapters: () => sources.positions, point, onError: failed, diagnostics, limits }
  const links = cacheConfig === undefined ? undefined : parseCacheConfig(cacheConfig)
  const sources: Sources = new Sources(dataSources, { ...base, rights: pending }, links)
  checkSetup(options, new Warnings(options))
  const queries = new LiveQueries(log, (error) => failed(error, 'relations'), pending)
  const following = new Dependencies(sources, queries, dependsOn, onFault, limits.relationValues)
  const views = new Views(sources, log, failed, limits, diagnostics)

  const control = new AdmissionControl(limits, options.maxConnections, faults)
  const admissions = new Admissions({ ...options, onError: onFault }, sources, following)
  const identities = new IdentityStreams(limits, faults)
  const watches = new Watches(sources, limits.maxWatched, onFault)
  const onRenewal = (error: unknown) => faults.report(asError(error, 'renewal'))
  const streams = new Streams(admissions, views, watches, identities, onRenewal, following)
  const shared = createControl(options, sources, {
    queries,
    process: admissions.rights.process,
    apply: (...decision) => rights.take(...decision),
  })
  const rights: Rights = new Rights(admissions, streams, options, shared)

  const connections = connectionHost(log, admissions.positions, {
    maxBufferedBytes,
    point: () => point(log.head),
    left: (view, forGood) => views.left(view, forGood),
    onError: failed,
  })
  const stats = () => statsOf(streams.open, views, sources, connections)
  const inspector = Inspector.create(options, { stats, streams, views, log })
  const kept = { options, log, views, following, streams, rights, inspector }
  const upkeep = new Upkeep({ ...kept, continuations: admissions.continuations, host: connections })
  const shutdown = new Shutdown({ ...kept, upkeep })

  const scope = `${scopeOf(options)}${sources.stores} of sources`
  const positions = new SourcePositions(sources, new PositionSeal(options.secret, scope))
  const barriers = new Barriers(positions)
  const opener = new Opener({
    admissions,
    views,
    dependencies: following,
    streams,
    host: connections,
    context: { epoch, log },
    diagnostics,
    retry: Buffer.from(`retry: ${options.retry}\n\n`),
    identities,
    barriers,
    streamMs: limits.streamMs,
    onLeft: ({ origin }) => {
      if (origin) control.streamEnded(origin.address)
    },
  })
  const doorway = new Doorway({
    ...{ options, admissions, control, streams, opener, barriers, rights, shutdown },
    onOpened: () => upkeep.start(),
  })
  return {
    ...{ options, faults, sources, rights, inspector, shutdown, stats, positions, doorway },
  }
}
