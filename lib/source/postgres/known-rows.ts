import type { Relation } from './pgoutput.ts'
import type { Row } from './table.ts'

/** Limits the characters of a generation: some 4,000 rows of a few columns. */
const MAX_CHARACTERS = 1_000_000

/** Stands for a description of a table, as long as all changes of the table are known. */
interface Stamp {
  readonly relation: Relation
}

interface KnownRow extends Row {
  readonly stamp: Stamp
}

/**
 * Keeps the rows that changed last, as the stream left them. An update reports all columns, and the earlier
 * row tells which of them changed. A full young generation takes the place of the old one, so that rows need
 * no order.
 */
export class KnownRows {
  #young = new Map<string, KnownRow>()
  #old = new Map<string, KnownRow>()
  #characters = 0
  /** The stamps of tables, by their oids. */
  readonly #stamps = new Map<number, Stamp>()

  /**
   * Returns a row as its last change left it. A new description of its table, which a new connection brings
   * too, makes a row unknown.
   */
  get(relation: Relation, key: string | undefined): Row | undefined {
    if (key === undefined) return undefined
    const name = nameOf(relation, key)
    const row = this.#young.get(name) ?? this.#old.get(name)
    return row && row.stamp === this.#stampOf(relation) ? row : undefined
  }

  /**
   * Keeps a row. Forgets a row that is not known whole, and all rows of the table after a change without a
   * key.
   */
  set(relation: Relation, key: string | undefined, row: Row | undefined): void {
    if (key === undefined) return void this.forget(relation)
    if (!row) return void this.delete(relation, key)
    const { cells, document } = row
    for (const cell of cells) this.#characters += cell?.length ?? 0
    if (this.#characters > MAX_CHARACTERS) {
      this.#old = this.#young
      this.#young = new Map()
      this.#characters = 0
    }
    const stamp = this.#stampOf(relation) ?? { relation }
    this.#stamps.set(relation.oid, stamp)
    this.#young.set(nameOf(relation, key), { cells, document, stamp })
  }

  delete(relation: Relation, key: string): void {
    const name = nameOf(relation, key)
    this.#young.delete(name)
    this.#old.delete(name)
  }

  /** Forgets the rows of a table, of which a change is not decoded. */
  forget({ oid }: Relation): void {
    this.#stamps.delete(oid)
  }

  clear(): void {
    this.#stamps.clear()
  }

  /** Frees the memory of forgotten rows, and of those whose tables nobody is shown now. */
  sweep(isShown: (relation: Relation) => boolean): void {
    for (const { relation } of this.#stamps.values()) if (!isShown(relation)) this.forget(relation)
    for (const rows of [this.#young, this.#old])
      for (const [name, { stamp }] of rows) if (stamp !== this.#stampOf(stamp.relation)) rows.delete(name)
  }

  #stampOf(relation: Relation): Stamp | undefined {
    const stamp = this.#stamps.get(relation.oid)
    return stamp?.relation === relation ? stamp : undefined
  }
}

function nameOf({ oid }: Relation, key: string): string {
  return `${oid} ${key}`
}
