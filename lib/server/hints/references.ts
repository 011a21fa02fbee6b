import { nearest } from '../../model/nearest.ts'
import { type Criteria, referencesIn } from '../../policy/criteria.ts'
import type { Warnings } from './warnings.ts'

/** Warns of fields that criteria take from the identity, and that no identity has had. */
export class References {
  readonly #warnings: Warnings
  readonly #all: ReadonlySet<string>
  /** Where each name stands that no identity has had yet. */
  readonly #open = new Map<string, string>()

  constructor(criteria: Iterable<readonly [where: string, criteria: Criteria]>, warnings: Warnings) {
    this.#warnings = warnings
    for (const [where, each] of criteria) {
      for (const name of referencesIn(each)) if (!this.#open.has(name)) this.#open.set(name, where)
    }
    this.#all = new Set(this.#open.keys())
  }

  /** Looks at an identity; costs nothing any more once every name has been found or told. */
  look(identity: unknown): void {
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
          ? 'identities that have none by intent say so by null'
          : `"@${[...path, candidate].join('.')}" was perhaps meant`
      this.#warnings.error(
        name,
        `${where} takes "@${name}" from the identity, which has ${keys.length > 0 ? `only ${keys.join(', ')}` : 'no fields'}: it matches nothing; ${meant}`,
      )
    }
  }
}

/** Where a path into the identity leads nowhere; undefined where it leads somewhere, be it to null. */
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
