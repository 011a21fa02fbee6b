import { expect } from 'chai'
import fc from 'fast-check'
import { align, type Chunk, chunksOf } from '../../../lib/client/persist/chunks.ts'
import type { Document } from '../../../lib/model/document.ts'

const documents = (count: number, from = 0): Document[] =>
  Array.from({ length: count }, (_, n) => ({ _id: from + n, text: 'x'.repeat(90) }))

/** A root in a store: it is saved again and again, as a keeper does. */
class Root {
  chunks: Chunk[] = []
  texts = new Map<number, string>()
  #key = 0

  /** Returns how many chunks were written. */
  async save(now: readonly Document[]): Promise<number> {
    const next: Chunk[] = []
    let written = 0
    for (const part of align(this.chunks, now)) {
      if (!Array.isArray(part)) {
        next.push(part as Chunk)
        continue
      }
      const { chunks, put } = await chunksOf(
        part,
        () => ++this.#key,
        () => undefined,
      )
      next.push(...chunks)
      for (const [key, text] of put) this.texts.set(key, text)
      written += put.length
    }
    this.chunks = next
    return written
  }

  get saved(): Document[] {
    return this.chunks.flatMap(({ key }) => JSON.parse(this.texts.get(key) ?? ''))
  }
}

describe('client/persist/chunks', () => {
  it('hold the documents in their order, after any changes', async () => {
    const step = fc.record({
      kind: fc.constantFrom('change', 'remove', 'insert', 'move', 'append'),
      at: fc.nat(5000),
      count: fc.integer({ min: 1, max: 400 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.nat(3000),
        fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 6 }),
        async (size, saves) => {
          const root = new Root()
          let list = documents(size)
          let fresh = 10_000
          await root.save(list)
          for (const steps of saves) {
            for (const { kind, at, count } of steps) {
              const index = at % (list.length + 1)
              const added = documents(count, fresh)
              fresh += count
              if (kind === 'change')
                list = list.map((each, n) => (n >= index && n < index + count ? { ...each, n } : each))
              if (kind === 'remove') list = list.toSpliced(index, count)
              if (kind === 'insert') list = list.toSpliced(index, 0, ...added)
              if (kind === 'append') list = [...list, ...added]
              if (kind === 'move') list = [...list.slice(index), ...list.slice(0, index)]
            }
            await root.save(list)
            expect(root.saved).to.deep.equal(list)
          }
        },
      ),
      { numRuns: 25 },
    )
  })

  it('are written for what has changed alone, wherever it is', async () => {
    const root = new Root()
    const list = documents(10_000)
    const all = await root.save(list)
    expect(all).to.be.above(40)
    expect(await root.save(list)).to.equal(0)
    expect(await root.save([{ _id: 'first' }, ...list])).to.be.at.most(2)
    const changed = list.map((each, n) => (n % 2500 === 7 ? { ...each, n } : each))
    expect(await root.save(changed)).to.be.at.most(6)
    expect(await root.save(changed.slice(3000))).to.be.at.most(2)
  })

  it('stay few when documents come one by one', async () => {
    const root = new Root()
    const list: Document[] = []
    for (const each of documents(1000)) {
      list.push(each)
      await root.save([...list])
    }
    expect(root.chunks.length).to.be.below(12)
  })
})
