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
  /** Called after the model of the last visit was shown. */
  onRestored: () => void
}

/** Starts a client from an earlier model: that of the page (`initial`), or of the last visit (`persist`). */
export class Continuation {
  /** Keeps the model for the next visit. */
  readonly persistence: Persistence | undefined
  readonly #parts: ContinuationParts

  /** Shows the page's model at once. */
  constructor(parts: ContinuationParts) {
    this.#parts = parts
    this.persistence = parts.options.persist?.(parts)
    this.#restore(parts.options.initial)
  }

  /** Starts the link, after the model of the last visit was shown. */
  async start(): Promise<void> {
    const { link, onRestored } = this.#parts
    const saved = await this.persistence?.opened
    if (saved && !link.restored && link.status !== 'closed') {
      this.#restore(saved)
      onRestored()
    }
    link.start()
  }

  /** Ignores a model of another version, as of a page from a cache. */
  #restore(model: InitialModel | undefined): void {
    if (model?.protocol !== PROTOCOL) return
    const { live, watches, link, transport } = this.#parts
    live.restore(model)
    watches.restore(model.watch ?? [])
    transport.token = model.token
    transport.fork = true
    link.position = model.position
    link.restored = true
  }
}
