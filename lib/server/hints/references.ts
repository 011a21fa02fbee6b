import { nearest } from '../../model/nearest.ts'
import { type Criteria, referencesIn } from '../../policy/criteria.ts'
import type { Warnings } from './warnings.ts'

/** Warns of criteria that use a field of the identity that no identity has had. */
export class References {
  readonly #warnings: Warnings
  readonly #all: ReadonlySet<string>
  /** Maps each unchecked name to the criteria that uses it. */
  readonly #open = new Map<string, string>()

  constructor(criteria: Iterable<readonly [where: string, criteria: Criteria]>, warnings: Warnings) {
    this.#warnings = warnings
    for (const [where, each] of criteria) {
      for (const name of referencesIn(each)) if (!this.#open.has(name)) this.#open.set(name, where)
    }
    this.#all = new Set(this.#open.keys())
  }

  /** Checks an identity. Costs nothing after every name was found or reported. */
  check(identity: unknown): void {
    for (const [name, where] of this.#open) {
      const missing = missingPart(identity, name)
      this.#open.delete(name)
      if (!missing) continue
      const { parent, key, path } = missing
      const keys = Object.keys(parent)
      const candidate = nearest(
        key,
        keys.filter((other) => !this.#all.has([...path, other].join('.'))),
      )
      const meant =
        candidate === undefined
          ? 'let an identity without it hold null'
          : `"@${[...path, candidate].join('.')}" was perhaps meant`
      const fields = keys.length > 0 ? `only ${keys.join(', ')}` : 'no fields'
      this.#warnings.error(
        name,
        `${where} takes "@${name}" from the identity, which has ${fields}: it matches nothing; ${meant}`,
      )
    }
  }
}

/**
 * Finds the first missing part of a path into the identity. Returns undefined for a path that exists, even
 * with the value null.
 */
function missingPart(
  identity: unknown,
  name: string,
): { parent: object; key: string; path: string[] } | undefined {
  const path: string[] = []
  let parent = identity
  for (const key of name.split('.')) {
    if (typeof parent !== 'object' || parent === null) return { parent: {}, key, path }
    if (!Object.hasOwn(parent, key)) return { parent, key, path }
    parent = (parent as Record<string, unknown>)[key]
    path.push(key)
  }
  return undefined
}
