import type { Document, Json } from '../model/document.ts'
import type { Operation } from '../model/operation.ts'
import { checkKeys, parsePath } from '../model/path.ts'
import { fieldsOf, matcher, type Query } from './query.ts'

/**
 * Says how an update of a document affects its match with a query.
 *
 * - `same`: the update touches no field of the query: the document matches if it matched before.
 * - `out`: the document doesn't match, whatever its other fields hold.
 * - `in`: all touched fields pass: the document matches if it matched before, and otherwise may match.
 * - `unknown`: the document is needed.
 */
export type MatchResult = 'same' | 'out' | 'in' | 'unknown'

const GONE = Symbol('gone')
const OPAQUE = Symbol('opaque')

/** Judges updates by their operations alone. */
export class UpdateMatcher {
  /** Tests of single top-level fields. */
  readonly #tests = new Map<string, (document: Document) => boolean>()
  /** Top-level fields that the query tests together with others. */
  readonly #together: ReadonlySet<string>

  constructor(query: Query) {
    const alone = new Map<string, Query>()
    const together: Query = {}
    for (const [key, value] of Object.entries(query)) {
      if (key.startsWith('$')) together[key] = value
      else {
        const first = key.split('.')[0] ?? key
        alone.set(first, { ...alone.get(first), [key]: value })
      }
    }
    for (const [first, part] of alone)
      this.#tests.set(
        first,
        lazily(() => matcher(part)),
      )
    this.#together = fieldsOf(together)
  }

  /** @throws ParticleError `INVALID_PATH` for a malformed operation */
  match(operations: readonly Operation[]): MatchResult {
    const values = new Map<string, Json | typeof GONE | typeof OPAQUE>()
    for (const { operation, path, data, keys } of operations) {
      if (operation === 'noop') continue
      const first = firstOf(path, keys)
      if (first === undefined) return 'unknown'
      const whole = (keys ?? parsePath(path)).length === 1
      if (whole && operation === 'set') values.set(first, data ?? null)
      else if (whole && operation === 'unset') values.set(first, GONE)
      else values.set(first, OPAQUE)
      if (operation === 'rename' && typeof data === 'string') values.set(firstOf(data) ?? '', OPAQUE)
    }
    let verdict: MatchResult = 'same'
    for (const [name, value] of values) {
      const test = this.#tests.get(name)
      if (this.#together.has(name) || (test && value === OPAQUE)) verdict = 'unknown'
      else if (test && !test(value === GONE ? {} : { [name]: value as Json })) return 'out'
      else if (test && verdict === 'same') verdict = 'in'
    }
    return verdict
  }
}

/** Returns the top-level field that a path leads into; `undefined` for the document itself. */
export function firstOf(path: string, keys?: Operation['keys']): string | undefined {
  if (keys) checkKeys(keys)
  const [first] = keys ?? parsePath(path)
  return first === undefined || typeof first === 'object' ? undefined : String(first)
}

function lazily<A, R>(make: () => (argument: A) => R): (argument: A) => R {
  let made: ((argument: A) => R) | undefined
  return (argument) => {
    made ??= make()
    return made(argument)
  }
}
