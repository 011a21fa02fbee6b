import type { Queryable } from './session.ts'

/** The groups of types that are read, written and compared alike. */
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

/** What there is to know of a column's type; of a domain, that of the type it is made of. */
export interface Type {
  readonly kind: Kind
  /** The type of an array's elements, and what stands between them. */
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

/** `int2vector` and `oidvector` call themselves arrays, but are written otherwise. */
const VECTORS: ReadonlySet<number> = new Set([22, 30])

/** The types of a database by their oids, asked for when they are first met. */
export class TypeCatalog {
  readonly #types = new Map<number, Type>()

  /**
   * The type of an oid that was loaded; its values are texts where the database doesn't know it (any more).
   */
  get(oid: number): Type {
    return this.#types.get(oid) ?? OTHER
  }

  /** Whether all of these are known. */
  has(oids: Iterable<number>): boolean {
    for (const oid of oids) if (!this.#types.has(oid)) return false
    return true
  }

  /** Asks the database for those that are not known yet. */
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
    // What is gone by now is not asked for again.
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
