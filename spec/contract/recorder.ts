import { expect } from 'chai'
import { applyOp } from '../../lib/model/apply.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { canonical, toJson } from '../../lib/model/json.ts'
import type { Adapter, Change, ChangeListener, Subscription } from '../../lib/source/source.ts'

const PATIENCE = 8000

/** A snapshot as `Adapter.read` gives it; without `from`, one from before all changes. */
export interface Snapshot {
  documents: Document[]
  from?: string
  to?: string
}

/** Follows an adapter as the server would and notes everything. */
export class Recorder implements ChangeListener {
  readonly told: Change[] = []
  /** How far the adapter says that it has come. */
  reached = ''
  readonly #adapter: Adapter
  readonly #exact: boolean
  readonly #problems: string[] = []
  #subscription: Subscription | undefined
  #closed = false

  constructor(adapter: Adapter, exact: boolean) {
    this.#adapter = adapter
    this.#exact = exact
  }

  async open(from?: string): Promise<void> {
    this.#subscription = await this.#adapter.open(this, from)
    if (this.reached === '') this.reached = this.#subscription.position
  }

  async close(): Promise<void> {
    await this.#subscription?.close()
    this.#closed = true
  }

  /** Where the changes begin. */
  get position(): string {
    return this.#subscription?.position ?? ''
  }

  changes(changes: readonly Change[], position: string): void {
    if (this.#closed) this.#problems.push('changes after close')
    const last = changes.at(-1)
    if (last && !(this.#adapter.compare(last.position, position) <= 0)) {
      this.#problems.push(`${position} is before the last change, ${last.position}`)
    }
    this.told.push(...changes)
    this.reached = position
  }

  progress(position: string): void {
    if (this.#closed) this.#problems.push('progress after close')
    this.reached = position
  }

  lost(reason: string): void {
    this.#problems.push(`lost: ${reason}`)
  }

  error(error: unknown): void {
    this.#problems.push(`error: ${error}`)
  }

  /** Waits for this many changes, and then a little for more, of which there must be none. */
  async until(count: number): Promise<void> {
    const end = Date.now() + PATIENCE
    while (this.told.length < count && Date.now() < end) await pause(2)
    await pause(10)
    expect(this.told.map(({ kind, position }) => `${kind} ${position}`)).to.have.length(count)
  }

  /** Waits until the changes, on top of the snapshot, make up these documents. */
  async settle(final: readonly object[], snapshot: Snapshot = { documents: [] }): Promise<void> {
    const end = Date.now() + PATIENCE
    for (;;) {
      const { documents, unsure } = this.#fold(snapshot)
      const expected = final.map((document) => toJson(document) as Document)
      const known = expected.filter((document) => !unsure.has(keyOf(document)))
      if (sorted(documents).join() === sorted(known).join()) return
      if (Date.now() > end) expectSame(documents, known)
      await pause(5)
    }
  }

  /** Checks what holds for every change: order, JSON, and the documents before and after where the source knows them. */
  expectSound(): void {
    expect(this.#problems).to.deep.equal([])
    let last = this.position
    for (const change of this.told) {
      expect(this.#adapter.compare(last, change.position), `${last} before ${change.position}`).to.be.below(0)
      last = change.position
      expectJson(change, 'change')
      if (!this.#exact || !('operations' in change)) continue
      expect(change.before === undefined, 'no `before`').to.equal(change.kind === 'insert')
      expect(change.document === undefined, 'no `document`').to.equal(change.kind === 'delete')
      expect(apply(change.before, change)).to.deep.equal(change.document)
    }
  }

  // Between `from` and `to` a document may hold a change already, so an update can't be done again: there only a whole document counts.
  #fold({ documents, from, to }: Snapshot): { documents: Document[]; unsure: Set<string> } {
    const state = new Map(documents.map((document) => [keyOf(document), document]))
    const unsure = new Set<string>()
    for (const change of this.told) {
      if (from !== undefined && !(this.#adapter.compare(change.position, from) > 0)) continue
      if (!('operations' in change)) {
        expect(change.kind).to.equal('clear')
        state.clear()
        unsure.clear()
        continue
      }
      const key = idKey(change.id)
      const again = to !== undefined && this.#adapter.compare(change.position, to) <= 0
      if (again && change.kind === 'update' && change.document === undefined) {
        unsure.add(key)
        continue
      }
      const after = again && change.document ? change.document : apply(state.get(key), change)
      if (change.kind !== 'update') unsure.delete(key)
      if (after === undefined) state.delete(key)
      else state.set(key, after)
    }
    return { documents: [...state.values()].filter((document) => !unsure.has(keyOf(document))), unsure }
  }
}

/** Compares documents, or any JSON values, in any order. */
export function expectSame(actual: readonly unknown[], expected: readonly unknown[]): void {
  expect(sorted(actual)).to.deep.equal(sorted(expected))
}

export function idOf(document: Document): Json {
  return document._id ?? null
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function apply(before: Document | undefined, change: Change): Document | undefined {
  if (!('operations' in change)) return undefined
  let document = structuredClone(before)
  for (const operation of change.operations) document = applyOp(document, structuredClone(operation))
  return document
}

function keyOf(document: Document): string {
  return idKey(idOf(document))
}

function sorted(values: readonly unknown[]): string[] {
  return values.map((value) => canonical(toJson(value))).sort()
}

function expectJson(value: unknown, where: string): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number') {
    expect(Number.isFinite(value), `${where} is ${value}`).to.equal(true)
    return
  }
  expect(typeof value, where).to.equal('object')
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) expectJson(element, `${where}[${index}]`)
    return
  }
  expect(Object.getPrototypeOf(value), `${where} is not a plain object`).to.be.oneOf([Object.prototype, null])
  for (const [name, field] of Object.entries(value as object)) expectJson(field, `${where}.${name}`)
}
