import { register as defaultRegistry, Registry } from 'prom-client'
import { ParticleError } from '../errors.ts'
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
 * @throws ParticleError `INVALID_OPTION` for anything but a server, for an unknown option, and when the
 *   registry has a metric of the same name; Error of `prom-client` for a prefix that it does not take
 */
export function collectMetrics(server: Server, options: MetricsOptions = {}): () => void {
  requireServer('collectMetrics(server)', server)
  refuseUnknown('collectMetrics(server, options): option', options, ['register', 'prefix'])
  const { register = defaultRegistry, prefix = 'particle_' } = options
  // Collects them in a registry of their own first: the given one gets all of them or none.
  const own = new Registry()
  const place = { register: own, prefix }
  const names = collectFigures(() => server.stats(), place)
  const events = collectEvents(server.options.diagnostics, place)
  names.push(...events.names)
  const taken = names.find((name) => register.getSingleMetric(name))
  if (taken !== undefined) {
    events.stop()
    throw new ParticleError(
      'INVALID_OPTION',
      `collectMetrics(server, options): the registry has ${taken} already: give another prefix or registry ` +
        'for a second server, and call the function of the first call before a second one',
    )
  }
  for (const metric of names.map((name) => own.getSingleMetric(name)))
    if (metric) register.registerMetric(metric)
  return () => {
    events.stop()
    for (const name of names)
      if (register.getSingleMetric(name) === own.getSingleMetric(name)) register.removeSingleMetric(name)
  }
}
