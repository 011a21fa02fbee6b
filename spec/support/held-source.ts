import { memory } from '../../lib/source/memory/index.ts'
import type { Change, ChangeListener } from '../../lib/source/source.ts'

/** A memory store whose reports wait, whose history can be lost, and whose reads can be held. */
export class HeldSource {
  readonly store = memory()
  readonly #read = this.store.read.bind(this.store)
  readonly #gates = new Map<string, { opened: Promise<void>; open: () => void }>()
  #listener: ChangeListener | undefined
  /** The reports that wait. */
  #held: { changes: Change[]; position: string } | undefined

  constructor() {
    const { store } = this
    const open = store.open.bind(store)
    store.open = (listener, from) => {
      this.#listener = listener
      const changes: ChangeListener['changes'] = (reported, position) => {
        if (!this.#held) listener.changes(reported, position)
        else this.#held = { changes: [...this.#held.changes, ...reported], position }
      }
      return open({ ...listener, changes }, from)
    }
    store.read = async (collection, ...given) => {
      await this.#gates.get(collection)?.opened
      return await this.#read(collection, ...given)
    }
  }

  /** Reports nothing until {@link HeldSource.report}, as a store does whose line stalls. */
  hold(): void {
    this.#held ??= { changes: [], position: '' }
  }

  /** Reports all that waits together, and what comes then at once. */
  report(): void {
    const held = this.#held
    this.#held = undefined
    if (held && held.changes.length > 0) this.#listener?.changes(held.changes, held.position)
  }

  /** Reports that the history is lost, in place of what waits. */
  async lose(): Promise<void> {
    const { to } = await this.#read('none', {}, () => {})
    this.#held = undefined
    this.#listener?.lost('a spec', to)
  }

  /** Lets no read of a collection begin until {@link HeldSource.letThrough}. */
  holdReads(collection: string): void {
    if (this.#gates.has(collection)) return
    let open = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    this.#gates.set(collection, { opened, open })
  }

  letThrough(collection: string): void {
    this.#gates.get(collection)?.open()
    this.#gates.delete(collection)
  }
}
