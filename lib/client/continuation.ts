import { invalidOption } from '../model/unknown.ts'
import type { InitialModel } from '../protocol/initial.ts'
import { PROTOCOL } from '../protocol/messages.ts'
import type { Link } from './link.ts'
import type { LiveModel } from './live-model.ts'
import type { ClientOptions } from './options.ts'
import type { PersistedClient, Persistence } from './persistence.ts'
import type { Transport } from './transport.ts'
import type { Watches } from './watches.ts'

/** Holds the parts of a client that continue from an earlier model. */
interface ContinuationParts extends PersistedClient {
  options: Pick<ClientOptions, 'initial' | 'persist'>
  live: LiveModel
  watches: Watches
  link: Link
  transport: Transport
  /** The work that must end before the link starts: see `shareStream`. */
  prepared: Promise<void> | undefined
  /** Called after the model of the last visit was shown. */
  onRestored: () => void
}

/**
 * Starts a client from an earlier model: that of the page (`initial`), which is shown at once, or of the last
 * visit (`persist`). Ignores a model of another version, as of a page from a cache.
 *
 * @returns the persistence, which keeps the model for the next visit
 */
export function startFrom(parts: ContinuationParts): Persistence | undefined {
  const { options, live, watches, link, transport, prepared, onRestored } = parts
  const persistence = options.persist?.(parts)
  if (options.persist && !Object(persistence).opened)
    throw invalidOption("The option persist must be such as indexedDB('app').")
  const restore = (model: InitialModel | undefined) => {
    if (model?.protocol !== PROTOCOL) return
    live.restore(model)
    watches.restore(model.watch ?? [])
    transport.token = model.token
    transport.fork = true
    link.position = model.position
    link.restored = true
  }
  const start = async () => {
    const saved = await persistence?.opened
    await prepared
    if (saved && !link.restored && link.status !== 'closed') {
      restore(saved)
      onRestored()
    }
    link.start()
  }
  restore(options.initial)
  void start()
  return persistence
}
