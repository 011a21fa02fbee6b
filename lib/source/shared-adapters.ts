import { isDeepStrictEqual } from 'node:util'
import { invalidOption } from '../model/unknown.ts'

/** Keeps the adapter of each pool or database, so that a process follows it once. */
export class SharedAdapters<Owner extends object, Settings extends object, Adapter> {
  readonly #call: string
  readonly #kept = new WeakMap<Owner, Map<string, { adapter: Adapter; settings: Settings }>>()

  /** @param call the call that makes an adapter, for messages: `mongo(db, options)`, for example */
  constructor(call: string) {
    this.#call = call
  }

  /**
   * Returns the adapter of an owner's database, which the first call makes. A later call may repeat its
   * options, or leave them out.
   *
   * @param given the options of this call
   * @param settings the same options with their defaults
   * @throws ParticleError `INVALID_OPTION` for an option with another value, which would have no effect
   */
  get(
    owner: Owner,
    database: string,
    given: { readonly [N in keyof Settings]?: unknown },
    settings: Settings,
    make: () => Adapter,
  ): Adapter {
    const ofOwner = this.#kept.get(owner) ?? new Map<string, { adapter: Adapter; settings: Settings }>()
    const known = ofOwner.get(database)
    if (!known) {
      const adapter = make()
      this.#kept.set(owner, ofOwner.set(database, { adapter, settings }))
      return adapter
    }
    for (const name of Object.keys(given) as (keyof Settings & string)[])
      if (given[name] !== undefined && !isDeepStrictEqual(settings[name], known.settings[name]))
        throw invalidOption(
          `${this.#call}: the option '${name}' had another value in the first call, which counts: ` +
            'pass the options in one place, and use its result in the others',
        )
    return known.adapter
  }
}
