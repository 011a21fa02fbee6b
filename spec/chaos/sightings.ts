import type { Document, Model } from '../../lib/model/document.ts'
import type { Sighting } from './history.ts'
import { ACCOUNTS, LATEST, MANIFESTS, SECRET } from './world.ts'

const FIELDS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(MANIFESTS).map(([root, manifest]) => [root, new Set(['_id', ...Object.keys(manifest)])]),
)

/** Notes which rows a process's clients show, each once for a user. */
export class Sightings {
  readonly #known = new Set<string>()
  #fresh: Sighting[] = []

  /** Notes a row; `root` may have parameters. */
  note(user: string, root: string, row: Document): void {
    const [name = ''] = root.split('?')
    if (name !== 'tasks' && name !== 'news' && name !== LATEST) return
    const group = String(name === 'news' ? row.level : row.team)
    const flaw = this.#flawOf(name, root, row)
    const key = `${user} ${name} ${row._id} ${group} ${row.stamp} ${flaw}`
    if (this.#known.has(key)) return
    this.#known.add(key)
    const sighting: Sighting = { user, root, id: Number(row._id), group, stamp: Number(row.stamp) }
    this.#fresh.push(flaw === undefined ? sighting : { ...sighting, flaw })
  }

  /** Returns what was noted since the last call. */
  take(): Sighting[] {
    const fresh = this.#fresh
    this.#fresh = []
    return fresh
  }

  #flawOf(name: string, root: string, row: Document): string | undefined {
    const fields = FIELDS.get(name === LATEST ? 'tasks' : name)
    const hidden = Object.keys(row).find((field) => !fields?.has(field))
    if (hidden !== undefined) return `it had the field ${hidden}`
    if (JSON.stringify(row).includes(SECRET)) return 'it had the secret'
    const { team } = name === LATEST ? JSON.parse(root.slice(root.indexOf('?') + 1)) : row
    return team === row.team ? undefined : 'it was of another team than the root'
  }
}

/** Returns the accounts of which only one side of a transfer is shown. */
export function tornIn({ debits, credits }: Partial<Model>): string | undefined {
  if (!debits || !credits) return undefined
  for (const id of ACCOUNTS) {
    const [debit, credit] = [debits, credits].map((rows) => rows.find(({ _id }) => _id === id)?.n)
    if (debit !== credit) return `account ${id} was debited ${debit} and credited ${credit}`
  }
  return undefined
}
