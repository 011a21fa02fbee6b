import type { Document } from '../../lib/model/document.ts'
import type { Change } from './reality.ts'
import { type Identity, ROOTS, type Root } from './roots.ts'
import type { Write } from './writes.ts'

type Listener = (delta: never) => void

/** The application's own source, as in 2013: it tells of its changes by callbacks, without positions. */
export class Told {
  readonly #listeners = new Set<{ identity: Identity; listener: Listener }>()
  readonly #documents: () => Document[]
  readonly #turn: () => Promise<void>
  readonly #root = ROOTS.told as Root
  #readings = 0

  constructor(documents: () => Document[], turn: () => Promise<void>) {
    this.#documents = documents
    this.#turn = turn
  }

  /** How many deltas were not stopped. */
  get listeners(): number {
    return this.#listeners.size
  }

  /** The data is as of some moment of the reading, and doesn't say of which. */
  readonly payload = async (identity: Identity): Promise<object> => {
    const timestamp = new Date()
    const late = ++this.#readings % 2 === 0
    if (late) await this.#turn()
    const data = this.#documents().filter((document) => this.#root.sees(document, identity))
    if (!late) await this.#turn()
    return { data, timestamp }
  }

  readonly delta = (identity: Identity, listener: Listener): (() => void) => {
    const entry = { identity, listener }
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /** Tells everyone of a change that a write made. */
  tell({ id, before, after }: Change, write: Write): void {
    const timestamp = new Date()
    for (const { identity, listener } of [...this.#listeners]) {
      if (id === undefined) {
        listener({ timestamp, oplist: [], reset: true } as never)
        continue
      }
      const saw = before !== undefined && this.#root.sees(before, identity)
      const sees = after !== undefined && this.#root.sees(after, identity)
      if (!saw && !sees) continue
      const whole = sees ? { operation: 'set', path: '.', data: after } : { operation: 'unset', path: '.' }
      const operation = saw && sees && write.operation ? write.operation : whole
      listener({ timestamp, oplist: [{ ...operation, id }] } as never)
    }
  }
}
