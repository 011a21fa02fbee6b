import { register as defaultRegistry, type Registry } from 'prom-client'
import { refuseUnknown } from '../model/unknown.ts'
import { requireServer } from '../server/given-server.ts'
import type { Server } from '../server/server.ts'
import { collectEvents } from './events.ts'
import { collectFigures } from './figures.ts'

/** Describes where the metrics of a server are registered. */
export interface MetricsOptions {
  /** The registry of `prom-client` that gets the metrics. Default: its default registry. */
  register?: Registry | undefined
  /**
   * The beginning of each metric's name. Two servers with one registry need different ones. Default:
   * `particle_`.
   */
  prefix?: string | undefined
}

/**
 * Registers the metrics of a server with `prom-client`: the figures of `server.stats()` at each scrape, and
 * counters and histograms from now on. No label contains an identity or a value of a query.
 *
 * @returns the function that removes the metrics from the registry
 * @throws ParticleError `INVALID_OPTION` for anything but a server, and for an unknown option; Error of
 *   `prom-client` when the registry has a metric of the same name
 */
export function collectMetrics(server: Server, options: MetricsOptions = {}): () => void {
  requireServer('collectMetrics(server)', server)
  refuseUnknown('collectMetrics(server, options): option', options, ['register', 'prefix'])
  const { register = defaultRegistry, prefix = 'particle_' } = options
  const place = { register, prefix }
  const names = collectFigures(() => server.stats(), place)
  const events = collectEvents(server.options.diagnostics, place)
  return () => {
    events.stop()
    for (const name of [...names, ...events.names]) register.removeSingleMetric(name)
  }
}
