import { expect } from 'chai'
import fc from 'fast-check'
import { Store } from '../../lib/client/store.ts'
import type { Document } from '../../lib/model/document.ts'
import type { DocumentOperation } from '../../lib/model/operation.ts'

const whole = (data: Document[], root = 'users') => ({ root, data, part: 0, last: true })
const set = (id: number, path: string, data: Document | string | number): DocumentOperation => ({
  operation: 'set',
  id,
  path,
  data: data as never,
})

function loaded(
  documents: Document[] = [
    { _id: 1, name: 'Ann' },
    { _id: 2, name: 'Bob' },
  ],
): Store {
  const store = new Store()
  store.begin({ users: true }, false)
  store.payload(whole(documents))
  return store
}

describe('store', () => {
  it('shows a root when its last part is there, and not before', () => {
    const store = new Store()
    store.begin({ users: true }, false)
    expect(store.payload({ root: 'users', data: [{ _id: 1 }], part: 0, last: false })).to.equal(false)
    expect(store.data).to.deep.equal({})
    expect(store.incomplete).to.equal(true)
    expect(store.payload({ root: 'users', data: [{ _id: 2 }], part: 1, last: true })).to.equal(true)
    expect(store.data).to.deep.equal({ users: [{ _id: 1 }, { _id: 2 }] })
    expect(store.incomplete).to.equal(false)
  })

  it('gives the same model, however a payload is split', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer(), { maxLength: 30 }),
        fc.array(fc.nat(30), { maxLength: 5 }),
        (ids, cuts) => {
          const documents = ids.map((id) => ({ _id: id, name: `n${id}` }))
          const bounds = [
            0,
            ...cuts.map((cut) => Math.min(cut, ids.length)).sort((a, b) => a - b),
            ids.length,
          ]
          const store = loaded()
          const before = structuredClone(store.data)
          for (let part = 0; part < bounds.length - 1; part++) {
            expect(store.data).to.deep.equal(before)
            store.payload({
              root: 'users',
              data: documents.slice(bounds[part], bounds[part + 1]),
              part,
              last: part === bounds.length - 2,
            })
          }
          expect(store.data).to.deep.equal({ users: documents })
        },
      ),
      { numRuns: 300 },
    )
  })

  it('refuses a part that comes out of turn', () => {
    const store = new Store()
    store.begin({ users: true }, false)
    expect(() => store.payload({ root: 'users', data: [], part: 1, last: true }))
      .to.throw()
      .with.property('code', 'INVALID_MESSAGE')
  })

  it('starts over when a payload does', () => {
    const store = loaded()
    store.payload({ root: 'users', data: [{ _id: 8 }], part: 0, last: false })
    store.payload(whole([{ _id: 9 }]))
    expect(store.data).to.deep.equal({ users: [{ _id: 9 }] })
  })

  it('keeps the old data of a root that is reset until the new one is complete', () => {
    const store = loaded()
    store.reset('users')
    expect(store.incomplete).to.equal(true)
    store.payload({ root: 'users', data: [{ _id: 3 }], part: 0, last: false })
    expect(store.getRoot('users')).to.have.length(2)
    store.payload({ root: 'users', data: [], part: 1, last: true })
    expect(store.data).to.deep.equal({ users: [{ _id: 3 }] })
  })

  it('applies deltas that come during a load after it, and shows none of them before', () => {
    const store = loaded()
    store.reset('users')
    expect(store.delta({ root: 'users', oplist: [set(3, 'name', 'Cid')] })).to.equal(false)
    expect(store.data.users).to.have.length(2)
    store.payload(whole([{ _id: 3 }]))
    expect(store.data).to.deep.equal({ users: [{ _id: 3, name: 'Cid' }] })
  })

  it('removes the roots that a manifest does not name any more, and keeps the rest until it is replaced', () => {
    const store = loaded()
    store.begin({ users: true, tasks: true }, true)
    store.payload(whole([{ _id: 1 }], 'tasks'))
    expect(store.begin({ users: true }, false)).to.deep.equal(['tasks'])
    expect(store.data).to.have.all.keys('users')
    expect(store.data.users).to.have.length(2)
    expect(store.incomplete).to.equal(true)
    expect(store.getModel()).to.have.all.keys('users')
  })

  it('owes nothing for what it holds when a stream is resumed, but does for what it does not', () => {
    const store = loaded()
    store.begin({ users: true }, true)
    expect(store.incomplete).to.equal(false)
    store.begin({ users: true, tasks: true }, true)
    expect(store.incomplete).to.equal(true)
  })

  it('drops the parts of a stream that was lost', () => {
    const store = new Store()
    store.begin({ users: true }, false)
    store.payload({ root: 'users', data: [{ _id: 1 }], part: 0, last: false })
    store.begin({ users: true }, true)
    expect(() => store.payload({ root: 'users', data: [], part: 1, last: true })).to.throw()
  })

  it('ignores what is of a root that is not in the manifest, or called __proto__', () => {
    const store = loaded()
    expect(store.payload(whole([{ _id: 1 }], 'other'))).to.equal(false)
    expect(store.delta({ root: 'other', oplist: [set(1, '.', { _id: 1 })] })).to.equal(false)
    const bare = new Store()
    expect(bare.payload(whole([{ _id: 1 }], '__proto__'))).to.equal(false)
    expect(Object.keys(bare.data)).to.deep.equal([])
  })

  it('does without a manifest, as a mock may', () => {
    const store = new Store()
    expect(store.payload(whole([{ _id: 1 }]))).to.equal(true)
    expect(store.data).to.deep.equal({ users: [{ _id: 1 }] })
  })

  it('has an empty array for each root that nothing came of, once it is settled', () => {
    const store = new Store()
    store.begin({ users: true }, false)
    expect(store.settle()).to.equal(true)
    expect(store.data).to.deep.equal({ users: [] })
    expect(store.settle()).to.equal(false)
  })

  it('applies a delta as a whole or not at all', () => {
    const store = loaded()
    const before = structuredClone(store.data)
    const oplist: DocumentOperation[] = [
      set(1, 'name', 'Eve'),
      set(7, '.', { _id: 7 }),
      set(1, '.', { _id: 1, name: 'Zoe' }),
      { operation: 'inc', id: 2, path: 'name', data: 1 },
    ]
    expect(() => store.delta({ root: 'users', oplist }))
      .to.throw()
      .with.property('code', 'INVALID_OPERATION')
    expect(store.data).to.deep.equal(before)
  })

  it('keeps the order, too, when a delta fails', () => {
    const store = loaded()
    const before = structuredClone(store.data)
    const oplist: DocumentOperation[] = [
      { operation: 'unset', id: 1, path: '.' },
      { operation: 'noop', id: 2, path: '.', at: 0 },
      { ...set(7, '.', { _id: 7 }), at: 0 },
      { operation: 'inc', id: 2, path: 'name', data: 1 },
    ]
    expect(() => store.delta({ root: 'users', oplist })).to.throw()
    expect(store.data).to.deep.equal(before)
    store.delta({ root: 'users', oplist: oplist.slice(0, 3) })
    expect(store.data.users?.slice(0, 2).map(({ _id }) => _id)).to.deep.equal([7, 2])
  })

  it('gives the same snapshot as long as nothing changes, and another one when something did', () => {
    const store = loaded()
    const [users, model] = [store.getRoot('users'), store.getModel()]
    expect(store.getRoot('users')).to.equal(users)
    expect(store.getModel()).to.equal(model)
    expect(model.users).to.equal(users)
    store.delta({ root: 'users', oplist: [set(1, 'name', 'Eve')] })
    expect(store.getRoot('users')).not.to.equal(users)
    expect(store.getModel()).not.to.equal(model)
    expect(store.getRoot('users')[1]).to.equal(users[1])
    expect(store.getRoot('nothing')).to.equal(store.getRoot('nothing')).and.to.deep.equal([])
  })

  it('never changes a snapshot, nor a document that was seen', () => {
    const ids = fc.integer({ min: 1, max: 4 })
    const operation = fc.oneof(
      fc.tuple(ids, fc.string()).map(([id, name]) => set(id, 'name', name)),
      fc.tuple(ids, fc.nat()).map(([id, data]) => set(id, 'deep.er', data)),
      ids.map((id): DocumentOperation => ({ operation: 'push', id, path: 'list', data: 1 })),
      ids.map((id): DocumentOperation => ({ operation: 'unset', id, path: '.' })),
      ids.map((id) => set(id, '.', { _id: id, deep: { er: 0 } })),
    )
    fc.assert(
      fc.property(fc.array(fc.array(operation, { maxLength: 3 }), { maxLength: 10 }), (deltas) => {
        const store = loaded()
        const seen: [snapshot: unknown, copy: unknown][] = []
        for (const oplist of deltas) {
          const snapshot = store.getModel()
          seen.push([snapshot, structuredClone(snapshot)])
          store.delta({ root: 'users', oplist })
          expect(store.getModel()).to.deep.equal(store.data)
        }
        for (const [snapshot, copy] of seen) expect(snapshot).to.deep.equal(copy)
        expect(Object.isFrozen(store.getModel())).to.equal(true)
        expect(Object.isFrozen(store.getRoot('users'))).to.equal(true)
      }),
      { numRuns: 300 },
    )
  })

  it('applies 100,000 deltas to 100,000 documents at the cost of as many to a few', () => {
    const run = (documents: number) => {
      const store = loaded(Array.from({ length: documents }, (_, id) => ({ _id: id, n: 0 })))
      store.delta({ root: 'users', oplist: [set(0, 'n', 0)] })
      const start = performance.now()
      for (let n = 0; n < 100_000; n++) {
        store.delta({ root: 'users', oplist: [set((n * 7919) % documents, 'n', n)] })
      }
      return performance.now() - start
    }
    run(100)
    const [few, many] = [run(100), run(100_000)]
    // Memory that is spread wide costs something; a cost that grows with the documents would be a thousandfold.
    expect(many).to.be.lessThan(few * 20 + 500)
    expect(many).to.be.lessThan(10_000)
  })

  it('undoes a failed delta of a large root, and keeps its earlier snapshots', () => {
    const store = loaded(Array.from({ length: 20_000 }, (_, _id) => ({ _id })))
    store.delta({ root: 'users', oplist: [{ operation: 'noop', id: 9, path: '.', at: 15_000 }] })
    const before = store.getRoot('users')
    const copy = [...before]
    const oplist: DocumentOperation[] = [
      { operation: 'unset', id: 1, path: '.' },
      { operation: 'noop', id: 2, path: '.', at: 19_000 },
      set(3, 'name', 'Cid'),
      { operation: 'inc', id: 3, path: 'name', data: 1 },
    ]
    expect(() => store.delta({ root: 'users', oplist })).to.throw()
    expect(store.getRoot('users')).to.deep.equal(copy)
    expect(store.data.users).to.deep.equal(copy)
    store.delta({ root: 'users', oplist: oplist.slice(0, 3) })
    expect(store.getRoot('users')[19_000]).to.deep.equal({ _id: 2 })
    expect(before).to.deep.equal(copy)
  })

  it('moves, inserts, removes and changes among a million documents at the cost of doing so among a thousand', function () {
    this.timeout(60_000)
    const put = (id: number, at: number) => ({ ...set(id, '.', { n: id }), at })
    const kinds: Record<string, (store: Store, from: number, to: number) => void> = {
      move: (store, id, at) =>
        store.delta({ root: 'users', oplist: [{ operation: 'noop', id, path: '.', at }] }),
      'insertion and removal': (store, _, at) => {
        store.delta({ root: 'users', oplist: [put(-1, at)] })
        store.delta({ root: 'users', oplist: [{ operation: 'unset', id: -1, path: '.' }] })
      },
      'change and a snapshot': (store, id) => {
        store.delta({ root: 'users', oplist: [set(id, 'n', id)] })
        store.getRoot('users').at(id)
      },
      'delta of two operations': (store, id, other) =>
        store.delta({ root: 'users', oplist: [set(id, 'n', id), set(other, 'n', id)] }),
    }
    const measure = (documents: number) => {
      const store = loaded(Array.from({ length: documents }, (_, _id) => ({ _id })))
      const result: Record<string, number> = {}
      for (const [kind, run] of Object.entries(kinds)) {
        const times: number[] = []
        for (let step = 0; step < 500; step++) {
          const start = performance.now()
          run(store, (step * 7919) % documents, (step * 104_729) % documents)
          times.push(performance.now() - start)
        }
        result[kind] = times.sort((a, b) => a - b)[250] ?? Number.NaN
      }
      return result
    }
    measure(1000)
    for (const [kind, time] of Object.entries(measure(1_000_000))) {
      // A copy or a new index of a million documents takes 5 to 3000 ms.
      expect(time, `ms of a ${kind}`).to.be.lessThan(0.5)
    }
  })
})
