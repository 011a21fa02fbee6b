import type { Document } from '../model/document.ts'
import { equalitiesOf, requiredValues, type Scalar, scalarsAt } from './equality.ts'
import { canonicalQuery, type Query } from './query.ts'

/** Matches a text that a store may hold in another form, so that the store must search many documents. */
const UNCERTAIN = /[\ufffd\p{Surrogate}]/u

/** Describes a query by the plain values that it requires of fields, and by all other conditions. */
export interface QueryForm {
  /**
   * Identifies the form: equal for queries that differ only in the required values of the same fields, and
   * whose values have the same types. A store may search many documents for a text where other documents have
   * numbers: a client that chooses such a value must not slow the queries of others.
   */
  readonly text: string
  /** The values that the query accepts, by field. At least one field. */
  readonly required: ReadonlyMap<string, RequiredValues>
  /** The other conditions. */
  readonly rest: Query
  /** The number of accepted values of all fields. */
  readonly weight: number
}

interface RequiredValues {
  /** The values in the form of the query. */
  readonly given: readonly unknown[]
  /** The values in their JSON form. */
  readonly scalars: readonly Scalar[]
}

/** Describes the query that replaces several queries of one form. */
export interface JointQuery {
  /** Matches the documents that at least one of the queries matches. */
  readonly query: Query
  /** The field by which documents are assigned to the queries. */
  readonly field: string
}

/**
 * Returns the form of a query; undefined for a query that requires no plain values of any field, or values
 * that not every store can look up.
 */
export function formOf(query: Query): QueryForm | undefined {
  const required = new Map<string, RequiredValues>()
  const rest: Query = {}
  let weight = 0
  for (const [field, condition] of Object.entries(query)) {
    const given = field.startsWith('$') ? undefined : requiredValues(condition)
    const scalars = given && equalitiesOf({ [field]: condition }).get(field)
    if (scalars) {
      if (scalars.some((scalar) => typeof scalar === 'string' && UNCERTAIN.test(scalar))) return undefined
      required.set(field, { given, scalars })
      weight += scalars.length
    } else rest[field] = condition
  }
  if (required.size === 0) return undefined
  const fields = [...required].map(([field, { scalars }]) => JSON.stringify([field, ...typesOf(scalars)]))
  const text = JSON.stringify([fields.sort(), canonicalQuery(rest)])
  return { text, required, rest, weight }
}

/**
 * Joins queries of one form. Lists all accepted values of each field, so that a store can use the same index
 * as for a single query.
 */
export function joinQueries(forms: readonly [QueryForm, ...QueryForm[]]): JointQuery {
  const [first] = forms
  const query: Query = { ...first.rest }
  const varying: string[] = []
  let field = ''
  let most = -1
  for (const name of first.required.keys()) {
    const union = new Map<Scalar, unknown>()
    for (const { required } of forms) {
      const { given = [], scalars = [] } = required.get(name) ?? {}
      for (const [at, scalar] of scalars.entries()) if (!union.has(scalar)) union.set(scalar, given[at])
    }
    query[name] = among([...union.values()])
    if (forms.some(({ required }) => new Set(required.get(name)?.scalars).size < union.size))
      varying.push(name)
    if (union.size <= most) continue
    most = union.size
    field = name
  }
  // Adds the values of each query as a whole if more than one field varies: the lists alone would also match
  // the values of one query with those of another.
  if (varying.length > 1) {
    const each = forms.map(({ required }) =>
      Object.fromEntries(varying.map((name) => [name, among(required.get(name)?.given ?? [])])),
    )
    query.$and = [...((first.rest.$and ?? []) as Query[]), { $or: each }]
  }
  return { query, field }
}

function typesOf(scalars: readonly Scalar[]): string[] {
  return [...new Set(scalars.map((scalar) => typeof scalar))].sort()
}

function among(values: readonly unknown[]): unknown {
  return values.length === 1 ? values[0] : { $in: values }
}

/** Finds, for each document, the owners of the queries that may match it. */
export class JointIndex<Owner> {
  readonly #field: string
  readonly #owners = new Map<Scalar, Owner[]>()

  constructor(field: string) {
    this.#field = field
  }

  add(owner: Owner, { required }: QueryForm): void {
    for (const scalar of new Set(required.get(this.#field)?.scalars)) {
      const owners = this.#owners.get(scalar)
      if (owners) owners.push(owner)
      else this.#owners.set(scalar, [owner])
    }
  }

  of(document: Document): Iterable<Owner> {
    const scalars = scalarsAt(document, this.#field)
    const [first] = scalars
    if (first !== undefined && scalars.length === 1) return this.#owners.get(first) ?? []
    return new Set(scalars.flatMap((scalar) => this.#owners.get(scalar) ?? []))
  }
}
