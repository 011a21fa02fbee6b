import type { Queryable } from './session.ts'

/** Groups the types that are read, written and compared alike. */
export type Kind =
  | 'array'
  | 'bigint'
  | 'boolean'
  | 'bytes'
  | 'date'
  | 'enum'
  | 'float'
  | 'integer'
  | 'json'
  | 'jsonb'
  | 'numeric'
  | 'other'
  | 'padded'
  | 'real'
  | 'text'
  | 'timestamp'
  | 'timestamptz'
  | 'uuid'

/** Describes a column's type; for a domain, the underlying type. */
export interface Type {
  readonly kind: Kind
  /** The type of an array's elements, and the separator between them. */
  readonly element?: Type
  readonly delimiter?: string
}

const OTHER: Type = { kind: 'other' }

/** The types whose oid is the same in every PostgreSQL. */
const BUILT_IN: Readonly<Record<number, Kind>> = {
  16: 'boolean',
  17: 'bytes',
  19: 'text',
  20: 'bigint',
  21: 'integer',
  23: 'integer',
  25: 'text',
  114: 'json',
  700: 'real',
  701: 'float',
  1042: 'padded',
  1043: 'text',
  1082: 'date',
  1114: 'timestamp',
  1184: 'timestamptz',
  1700: 'numeric',
  2950: 'uuid',
  3802: 'jsonb',
}

/** The types that call themselves arrays, but have another text: `int2vector` and `oidvector`. */
const VECTORS: ReadonlySet<number> = new Set([22, 30])

/** Keeps the types of a database by their oids. Loads each type at its first use. */
export class TypeCatalog {
  readonly #types = new Map<number, Type>()
  /** The lists of columns whose types are all loaded. */
  readonly #described = new WeakSet<object>()

  /** Returns the type of a loaded oid. The values of an unknown (or removed) type are texts. */
  get(oid: number): Type {
    return this.#types.get(oid) ?? OTHER
  }

  /** Checks that all of these types are loaded. */
  has(oids: Iterable<number>): boolean {
    for (const oid of oids) if (!this.#types.has(oid)) return false
    return true
  }

  /** Checks that the types of all of these columns are loaded: once for the many rows of one description. */
  describes(columns: readonly { readonly oid: number }[]): boolean {
    if (this.#described.has(columns)) return true
    const isLoaded = columns.every(({ oid }) => this.#types.has(oid))
    if (isLoaded) this.#described.add(columns)
    return isLoaded
  }

  /** Loads the types that are not known yet. */
  async load(client: Queryable, oids: Iterable<number>): Promise<void> {
    const missing = [...new Set(oids)].filter((oid) => !this.#types.has(oid))
    if (missing.length === 0) return
    const { rows } = await client.query<{ oid: string; form: string; of: string; delimiter: string }>(
      `SELECT oid::bigint::text AS oid, typdelim AS delimiter,
         CASE WHEN typtype = 'd' THEN 'domain' WHEN typtype = 'e' THEN 'enum'
           WHEN typcategory = 'A' AND typelem <> 0 AND typlen = -1 THEN 'array' ELSE '' END AS form,
         (CASE WHEN typtype = 'd' THEN typbasetype ELSE typelem END)::bigint::text AS of
       FROM pg_catalog.pg_type WHERE oid = ANY($1::pg_catalog.oid[])`,
      [missing],
    )
    const parts = rows.filter(({ form }) => form === 'domain' || form === 'array')
    await this.load(
      client,
      parts.map(({ of }) => Number(of)),
    )
    for (const { oid, form, of, delimiter } of rows) {
      this.#types.set(Number(oid), this.#type(Number(oid), form, Number(of), delimiter))
    }
    // Remembers removed types, which need no second query.
    for (const oid of missing) if (!this.#types.has(oid)) this.#types.set(oid, OTHER)
  }

  #type(oid: number, form: string, of: number, delimiter: string): Type {
    const kind = BUILT_IN[oid]
    if (kind) return { kind }
    if (form === 'domain') return this.get(of)
    if (form === 'enum') return { kind: 'enum' }
    if (form === 'array' && !VECTORS.has(oid)) return { kind: 'array', element: this.get(of), delimiter }
    return OTHER
  }
}
