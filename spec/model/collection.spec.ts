import { expect } from 'chai'
import fc from 'fast-check'
import { applyOp } from '../../lib/model/apply.ts'
import { DocumentList } from '../../lib/model/collection.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import type { DocumentOperation } from '../../lib/model/operation.ts'
import { refusal } from './refusal.ts'

const set = (id: Json, path: string, data: Json): DocumentOperation => ({ operation: 'set', id, path, data })
const remove = (id: Json): DocumentOperation => ({ operation: 'unset', id, path: '.' })

describe('DocumentList', () => {
  it('finds documents by id, by value', () => {
    const oid = { $oid: '64b8' }
    const list = new DocumentList([{ _id: 1, a: 1 }, { _id: '1' }, { _id: oid }])
    expect(list.get(1)?.a).to.equal(1)
    expect(list.get('1')).to.deep.equal({ _id: '1' })
    expect(list.get({ $oid: '64b8' })).to.deep.equal({ _id: oid })
    expect(list.get(2)).to.equal(undefined)
    expect(list.size).to.equal(3)
  })

  it('inserts at the end, gives the id where the data has none, and does not change the data', () => {
    const list = new DocumentList([{ _id: 1 }])
    const data = Object.freeze({ a: 1 })
    list.apply([set(2, '.', data)])
    expect(list.list).to.deep.equal([{ _id: 1 }, { _id: 2, a: 1 }])
    expect(data).to.deep.equal({ a: 1 })
  })

  it('replaces in place, and refuses a document of another _id', () => {
    const list = new DocumentList([{ _id: 1, a: 1 }, { _id: 2 }])
    list.apply([set(1, '.', { _id: 1, b: 1 })])
    expect(list.list).to.deep.equal([{ _id: 1, b: 1 }, { _id: 2 }])
    expect(refusal(() => list.apply([set(1, '.', { _id: 3 })]))).to.equal('INVALID_OPERATION')
    expect(list.list).to.deep.equal([{ _id: 1, b: 1 }, { _id: 2 }])
  })

  it('ignores operations on documents that are not there', () => {
    const list = new DocumentList([{ _id: 1 }])
    list.apply([set(2, 'a', 1), remove(3), { operation: 'push', id: 4, path: 'a', data: 1 }])
    expect(list.list).to.deep.equal([{ _id: 1 }])
  })

  it('never changes a document that was seen, nor the data of an operation', () => {
    const data = { a: { b: [1] } }
    const list = new DocumentList()
    const other = new DocumentList()
    list.apply([set(1, '.', data)])
    other.apply([set(1, '.', data)])
    const seen = list.get(1)
    list.apply([{ operation: 'push', id: 1, path: 'a.b', data: 2 }])
    expect(seen).to.deep.equal({ _id: 1, a: { b: [1] } })
    expect(other.get(1)).to.deep.equal(seen)
    expect(data).to.deep.equal({ a: { b: [1] } })
    expect(list.get(1)).to.deep.equal({ _id: 1, a: { b: [1, 2] } })
  })

  it('keeps what was applied before an invalid operation, nothing of it or after it, and stays usable', () => {
    const list = new DocumentList([{ _id: 1 }, { _id: 2 }, { _id: 3 }])
    const ops = [remove(1), set(2, 'a', 1), { ...set(2, 'a', 'x'), operation: 'inc' as const }, remove(3)]
    expect(refusal(() => list.apply(ops))).to.equal('INVALID_OPERATION')
    expect(list.list).to.deep.equal([{ _id: 2, a: 1 }, { _id: 3 }])
    expect(list.get(3)).to.equal(list.list[1])
    expect(list.get(1)).to.equal(undefined)
  })

  it('notices that the list was changed by other means', () => {
    const documents: Document[] = [{ _id: 1 }, { _id: 2 }]
    const list = new DocumentList(documents)
    expect(list.get(2)).to.equal(documents[1])
    documents.shift()
    documents.push({ _id: 5 }, { _id: 6 })
    list.apply([set(5, 'a', 1)])
    expect(documents).to.deep.equal([{ _id: 2 }, { _id: 5, a: 1 }, { _id: 6 }])
    documents.reverse()
    list.apply([set(2, 'a', 2)])
    expect(list.get(6)).to.equal(documents[0])
    expect(documents[2]).to.deep.equal({ _id: 2, a: 2 })
  })

  it('does what a plain search through the list would do', () => {
    const id = fc.integer({ min: 0, max: 5 })
    const op = fc.oneof(
      fc.tuple(id, fc.nat(9)).map(([key, a]) => set(key, '.', { a })),
      fc.tuple(id, fc.nat(9)).map(([key, b]) => set(key, 'b', b)),
      id.map(remove),
    )
    // Ids come back after they were removed, within one apply and in a later one.
    fc.assert(
      fc.property(fc.array(fc.array(op, { maxLength: 8 }), { maxLength: 6 }), (batches) => {
        const list = new DocumentList()
        let plain: Document[] = []
        for (const batch of batches) {
          list.apply(batch)
          for (const one of batch) plain = plainly(plain, one)
          expect(list.list).to.deep.equal(plain)
          for (const document of plain) expect(list.get(document._id ?? null)).to.deep.equal(document)
        }
      }),
      { numRuns: 400 },
    )
  })

  describe('with places', () => {
    const move = (id: Json, at: number): DocumentOperation => ({ operation: 'noop', id, path: '.', at })
    const put = (id: Json, at: number, data = {}): DocumentOperation => ({ ...set(id, '.', data), at })
    const ids = (list: DocumentList) => list.list.map(({ _id }) => _id)
    const abc = () => new DocumentList([{ _id: 'a' }, { _id: 'b' }, { _id: 'c' }])

    it('inserts there, replaces and moves there, and moves there', () => {
      const list = abc()
      list.apply([put('d', 1)])
      expect(ids(list)).to.deep.equal(['a', 'd', 'b', 'c'])
      list.apply([put('a', 2, { n: 1 })])
      expect(list.list).to.deep.equal([{ _id: 'd' }, { _id: 'b' }, { _id: 'a', n: 1 }, { _id: 'c' }])
      list.apply([move('c', 0), move('d', 3)])
      expect(ids(list)).to.deep.equal(['c', 'b', 'a', 'd'])
    })

    it('counts from what the operations before it in a delta have left', () => {
      const list = abc()
      list.apply([remove('a'), put('d', 1), remove('c'), put('e', 2)])
      expect(ids(list)).to.deep.equal(['b', 'd', 'e'])
    })

    it('moves nothing that is not there, and puts at the end what would be past it', () => {
      const list = abc()
      list.apply([move('x', 0), move('a', 9), put('d', 9)])
      expect(ids(list)).to.deep.equal(['b', 'c', 'a', 'd'])
    })

    it('means nothing to a removal', () => {
      const list = abc()
      list.apply([{ ...set('c', '.', {}) }, { operation: 'unset', id: 'b', path: '.', at: 0 }])
      expect(ids(list)).to.deep.equal(['a', 'c'])
    })

    it('does what a plain list would do, among operations of all kinds', () => {
      const id = fc.integer({ min: 0, max: 6 })
      const at = fc.integer({ min: 0, max: 7 })
      const op = fc.oneof(
        fc.tuple(id, at).map(([key, place]) => put(key, place, { place })),
        fc.tuple(id, at).map(([key, place]) => move(key, place)),
        id.map((key) => set(key, '.', { n: 1 })),
        id.map((key) => set(key, 'b', 2)),
        id.map(remove),
      )
      fc.assert(
        fc.property(fc.array(fc.array(op, { maxLength: 8 }), { maxLength: 6 }), (batches) => {
          const list = new DocumentList()
          let plain: Document[] = []
          for (const batch of batches) {
            list.apply(batch)
            for (const one of batch) {
              plain = plainly(plain, one)
              const from = plain.findIndex(({ _id }) => _id === one.id)
              const document = plain[from]
              if (one.at !== undefined && document)
                plain = plain.toSpliced(from, 1).toSpliced(one.at, 0, document)
            }
            expect(list.list).to.deep.equal(plain)
            for (const document of plain) expect(list.get(document._id ?? null)).to.deep.equal(document)
          }
        }),
        { numRuns: 400 },
      )
    })
  })

  it('applies updates and inserts in a time that does not grow with the list', () => {
    const few = time(100)
    const many = time(100_000)
    // The slack is for caches that the large list does not fit into: a search would take a thousand times as long.
    expect(many / few).to.be.lessThan(10)
  })

  it('finds all others, and inserts at the end, after very many removals one by one', () => {
    const list = new DocumentList(numbered(5000))
    let expected = [...list.list]
    for (let step = 0; step < 2500; step++) {
      const index = (step * 7919) % expected.length
      list.apply([remove(expected[index]?._id ?? null)])
      expected = expected.toSpliced(index, 1)
      if (step % 5 > 0) continue
      list.apply([set(`new ${step}`, '.', { step })])
      expected.push({ _id: `new ${step}`, step })
    }
    expect(list.list).to.deep.equal(expected)
    for (const document of expected)
      expect(list.get(document._id ?? null)).to.equal(list.list[expected.indexOf(document)])
  })

  it('removes from the middle at a cost far below that of indexing anew', () => {
    const list = new DocumentList(numbered(100_000))
    list.get(0)
    const start = performance.now()
    for (let step = 0; step < 2000; step++) {
      list.apply([remove(40_000 + step)])
      if (list.get(99_999)?._id !== 99_999) throw new Error('The last document was not found')
    }
    // To give each of the documents behind it a new place in an index takes minutes.
    expect(performance.now() - start).to.be.lessThan(1000)
    expect(list.size).to.equal(98_000)
  })

  it('keeps one array in the order of a large list, whether it is read after each operation or after many', () => {
    const list = new DocumentList(numbered(10_050))
    const array = list.list
    const plain = [...array]
    let random = 7
    const next = (below: number) => {
      random = (random * 48_271) % 2_147_483_647
      return random % below
    }
    for (let step = 0; step < 600; step++) {
      const at = next(plain.length)
      const [id, to] = [plain[at]?._id ?? null, next(plain.length)]
      const kind = next(4)
      if (kind === 0) plain.splice(at, 1)
      if (kind === 1) plain.splice(to, 0, ...plain.splice(at, 1))
      if (kind === 2) plain.splice(to, 0, { _id: `new ${step}` })
      if (kind === 3) plain[at] = { _id: id, step }
      if (kind === 0) list.apply([remove(id)])
      if (kind === 1) list.apply([{ operation: 'noop', id, path: '.', at: to }])
      if (kind === 2) list.apply([{ ...set(`new ${step}`, '.', {}), at: to }])
      if (kind === 3) list.apply([set(id, '.', { step })])
      expect(list.get(plain[to]?._id ?? null)).to.deep.equal(plain[to])
      // Steps without a read leave from none to very many edits to make up for.
      if (next(step < 300 ? 3 : 90) > 0) continue
      expect(list.list).to.equal(array)
      expect(array.map(({ _id }) => _id)).to.deep.equal(plain.map(({ _id }) => _id))
      expect(list.snapshot().map(({ _id }) => _id)).to.deep.equal(plain.map(({ _id }) => _id))
    }
    expect(list.list).to.deep.equal(plain)
  })

  it('removes many at once in one pass', () => {
    const list = new DocumentList(numbered(100_000))
    const odd = list.list.filter((_, index) => index % 2 === 1)
    list.apply(numbered(100_000).flatMap(({ _id }) => (Number(_id) % 2 === 0 ? [remove(_id ?? null)] : [])))
    expect(list.size).to.equal(50_000)
    expect(list.list.every((document, index) => document === odd[index])).to.equal(true)
    expect(list.get(99_999)).to.equal(odd.at(-1))
  })
})

function plainly(documents: Document[], op: DocumentOperation): Document[] {
  const at = documents.findIndex(({ _id }) => idKey(_id ?? null) === idKey(op.id))
  const before = documents[at]
  const after = applyOp(structuredClone(before), structuredClone(op))
  if (after === undefined) return at < 0 ? documents : documents.toSpliced(at, 1)
  const whole = { ...after, _id: op.id }
  return at < 0 ? [...documents, whole] : documents.with(at, whole)
}

function numbered(count: number): Document[] {
  return Array.from({ length: count }, (_, _id) => ({ _id, count: 0 }))
}

/** The best of three runs of 100,000 applied operations, in milliseconds: nine updates to one insert. */
function time(size: number): number {
  const runs = [1, 2, 3].map(() => {
    const list = new DocumentList(numbered(size))
    list.get(0)
    const start = performance.now()
    for (let step = 0; step < 100_000; step += 1) {
      if (step % 10 === 0) list.apply([set(`new ${step % 1000}`, '.', { a: 1 })])
      else list.apply([{ operation: 'inc', id: (step * 7919) % size, path: 'count', data: 1 }])
    }
    return performance.now() - start
  })
  return Math.min(...runs)
}
