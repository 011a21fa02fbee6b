import { isDeepStrictEqual } from 'node:util'
import { applyOp } from '../../lib/model/apply.ts'
import type { Document } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import type { Operation } from '../../lib/model/operation.ts'
import type { Change } from './reality.ts'
import type { Identity, Root, Telling } from './roots.ts'
import type { Write } from './writes.ts'

/** What is known of a write, or of a transaction of several. */
export type Recorded = Pick<Write, 'operation' | 'whole'> & { atOnce?: true }

type Listener = (delta: never) => void

interface State {
  /** How many changes had been made. */
  count: number
  documents: readonly Document[]
}

/** How many states back a replica is at most. */
const MAX_BEHIND = 3

/** The application's own source of one root, as in 2013: it tells of its data by callbacks. */
export class Told {
  readonly #listeners = new Set<{ identity: Identity; listener: Listener; since: number }>()
  readonly #documents: () => Document[]
  readonly #turn: () => Promise<void>
  readonly #root: Root
  readonly #telling: Telling
  /** The states before the present one. */
  readonly #past: State[] = []
  #count = 0
  #readings = 0

  constructor(root: Root, telling: Telling, documents: () => Document[], turn: () => Promise<void>) {
    this.#root = root
    this.#telling = telling
    this.#documents = documents
    this.#turn = turn
  }

  /** How many deltas were not stopped. */
  get listeners(): number {
    return this.#listeners.size
  }

  /** The data is as of some moment of the reading, and says of which only where it names a position. */
  readonly payload = async (identity: Identity): Promise<object> => {
    const { placed, torn } = this.#telling
    const timestamp = new Date()
    const late = ++this.#readings % 2 === 0
    const turns = async () => {
      for (let turn = this.#readings % 3; turn >= 0; turn--) await this.#turn()
    }
    if (late) await turns()
    const { count, documents } = this.#read()
    if (!late) await turns()
    const data = torn ? mixed(documents, this.#read().documents) : documents
    return {
      data: data.filter((document) => this.#root.sees(document, identity)),
      timestamp,
      ...(placed.startsWith('payload') ? { position: this.#place(count) } : {}),
    }
  }

  readonly delta = (identity: Identity, listener: Listener): unknown => {
    const listen = () => {
      const entry = { identity, listener, since: this.#count }
      this.#listeners.add(entry)
      return () => void this.#listeners.delete(entry)
    }
    return this.#telling.late ? this.#turn().then(listen) : listen()
  }

  /** Takes in that a write was made, just before the data are others: what a replica may still have. */
  keep(): void {
    this.#past.push({ count: this.#count, documents: this.#documents() })
    if (this.#past.length > MAX_BEHIND) this.#past.shift()
  }

  /** Tells everyone of the changes that a write made. */
  tell(changes: readonly Change[], write: Recorded): void {
    const timestamp = new Date()
    const numbered = changes.map((change) => ({ change, count: ++this.#count }))
    const deltas = this.#telling.atOnce || write.atOnce ? [numbered] : numbered.map((each) => [each])
    for (const delta of deltas) {
      const count = delta.at(-1)?.count
      if (count === undefined) continue
      const place = this.#telling.placed.endsWith('delta') ? { position: this.#place(count) } : {}
      const reset = delta.some(({ change }) => change.id === undefined)
      for (const { identity, listener } of [...this.#listeners]) {
        const oplist = delta.flatMap(({ change }) => this.#operationsOf(change, write, identity))
        if (reset) listener({ timestamp, oplist: [], reset: true, ...place } as never)
        else if (oplist.length > 0) listener({ timestamp, oplist, ...place } as never)
      }
    }
  }

  #place(count: number): number | string {
    return this.#telling.texts ? String(count).padStart(6, '0') : count
  }

  #read(): State {
    const present = { count: this.#count, documents: this.#documents() }
    if (!this.#telling.behind || this.#readings % 3 !== 0) return present
    // Whoever listens is not told again of what was before.
    const since = Math.max(0, ...[...this.#listeners].map((each) => each.since))
    return this.#past.find(({ count }) => count >= since) ?? present
  }

  #operationsOf({ id, before, after }: Change, write: Recorded, identity: Identity): object[] {
    const saw = before !== undefined && this.#root.sees(before, identity)
    const sees = after !== undefined && this.#root.sees(after, identity)
    if (!saw && !sees) return []
    if (!sees) return [{ operation: 'unset', path: '.', id }]
    if (saw && this.#telling.by === 'fields')
      return fieldsOf(before, after).map((operation) => ({ ...operation, id }))
    const whole = { operation: 'set', path: '.', data: after }
    return [
      { ...(saw && write.operation && leads(before, write.operation, after) ? write.operation : whole), id },
    ]
  }
}

/** Whether an operation makes a document the next one. It needn't where a store has null for what is missing. */
function leads(before: Document, operation: NonNullable<Write['operation']>, after: Document): boolean {
  try {
    return isDeepStrictEqual(applyOp(structuredClone(before), structuredClone(operation) as Operation), after)
  } catch {
    return false
  }
}

/** What makes a document the next one, a field at a time. */
function fieldsOf(before: Document, after: Document): object[] {
  const gone = Object.keys(before).filter((field) => !(field in after))
  const others = Object.entries(after).filter(([field, value]) => !isDeepStrictEqual(before[field], value))
  return [
    ...gone.map((path) => ({ operation: 'unset', path })),
    ...others.map(([path, data]) => ({ operation: 'set', path, data })),
  ]
}

/** Some documents of one state, and some of another one. */
function mixed(begin: readonly Document[], end: readonly Document[]): Document[] {
  const states = [begin, end].map(
    (documents) => new Map(documents.map((document) => [idKey(document._id ?? null), document])),
  )
  const keys = [...new Set(states.flatMap((state) => [...state.keys()]))]
  return keys
    .map((key, index) => states[index % 2]?.get(key))
    .filter((document): document is Document => document !== undefined)
}
