import { expect } from 'chai'
import type { Document, Id } from '../../lib/model/document.ts'
import { Server } from '../../lib/server/index.ts'
import type { Adapter, Change } from '../../lib/source/source.ts'
import { ReadAhead } from '../support/ahead.ts'
import { until } from '../support/local.ts'
import { Visitor } from '../support/visitor.ts'
import { expectSame, idOf, pause, Recorder } from './recorder.ts'

/** A collection as the driver of any source offers it, as far as the contract writes to it. */
export interface Writer {
  insertOne(document: Document): Promise<unknown>
  updateOne(query: Record<string, unknown>, update: Record<string, unknown>): Promise<unknown>
  replaceOne(query: Record<string, unknown>, replacement: Document): Promise<unknown>
  deleteOne(query: Record<string, unknown>): Promise<unknown>
  deleteMany(query: Record<string, unknown>): Promise<unknown>
  find(): { toArray(): Promise<object[]> }
  drop(): Promise<unknown>
}

/** A source to hold against the contract. */
export interface Harness {
  adapter: Adapter
  /** A collection of this name that is empty at first; the name that changes carry is the same. */
  collection(name: string): Writer
  /** Whether changes carry `document` and (but for inserts) `before`, exactly. */
  exact: boolean
  /**
   * Whether the source only tells how a document is by now: as a `replace`, or a `delete` (also of those of a dropped collection); several
   * writes of a document may be told as one.
   */
  retells?: boolean
  /** Whether it tells a replacement as an update, by what differs. */
  compares?: boolean
  /** Ends what `make` began. */
  close(): Promise<void>
}

/** What a kind of source is not made for; the specs of that are left out. */
export interface Limits {
  /** It is one collection, which it reads whole: to select is the application's business. */
  selects?: false
  /** It has no `lookup`. */
  looksUp?: false
  /** It serves one listener. */
  shares?: false
  /** It doesn't tell inserts, replacements and deletes apart: all are updates. */
  distinguishes?: false
}

/** Ids and values are plain JSON here, so that a source's way with its own types is its own spec's matter. */
const USERS = 'contract_users'
const TEAMS = 'contract_teams'

/** States what any source must do. `make` gives a fresh one for every spec. */
export function sourceContract(name: string, make: () => Promise<Harness>, limits: Limits = {}): void {
  const { selects = true, looksUp = true, shares = true, distinguishes = true } = limits
  const kindOf = (told: Change['kind']) => (distinguishes ? told : 'update')
  describe(`${name} as a source`, () => {
    let harness: Harness
    let users: Writer
    const open: Recorder[] = []
    const servers: Server[] = []

    beforeEach(async () => {
      harness = await make()
      users = harness.collection(USERS)
    })

    afterEach(async () => {
      for (const recorder of open.splice(0)) await recorder.close()
      await Promise.all(servers.splice(0).map((server) => server.disconnect()))
      await harness.close()
    })

    async function follow(from?: string): Promise<Recorder> {
      const recorder = new Recorder(harness.adapter, harness.exact)
      await recorder.open(from)
      open.push(recorder)
      return recorder
    }

    async function snapshot(collection = USERS, query = {}) {
      const documents: Document[] = []
      const range = await harness.adapter.read(collection, query, (batch) => {
        documents.push(...batch)
      })
      return { documents, ...range }
    }

    describe('reading', () => {
      it('gives the documents of the collection', async () => {
        await users.insertOne({ _id: 'a', name: 'Ann', tags: ['x', { deep: true }] })
        await users.insertOne({ _id: 2, name: 'Bo' })
        const { documents } = await snapshot()
        expectSame(documents, [
          { _id: 'a', name: 'Ann', tags: ['x', { deep: true }] },
          { _id: 2, name: 'Bo' },
        ])
      })

      if (selects) {
        it('gives only what matches the query', async () => {
          await users.insertOne({ _id: 1, team: 'red', age: 30 })
          await users.insertOne({ _id: 2, team: 'blue', age: 40 })
          await users.insertOne({ _id: 3, team: 'red', age: 50 })
          expectSame((await snapshot(USERS, { team: 'red' })).documents.map(idOf), [1, 3])
          expectSame((await snapshot(USERS, { age: { $gt: 35 } })).documents.map(idOf), [2, 3])
          expectSame((await snapshot(USERS, { _id: 2 })).documents.map(idOf), [2])
          expectSame((await snapshot(USERS, { team: 'none' })).documents, [])
        })

        it('gives the first documents of an order, if not all', async () => {
          const ages = [30, 10, null, 20, 50, 40]
          for (const [index, age] of ages.entries())
            await users.insertOne({ _id: index, team: index ? 'red' : 'blue', age })
          for (const [direction, expected] of [
            [1, [2, 1, 3]],
            [-1, [4, 5, 3]],
          ] as const) {
            const found = new Set<unknown>()
            const sort = [
              ['age', direction],
              ['_id', 1],
            ] as const
            await harness.adapter.read(
              USERS,
              { team: 'red' },
              (batch) => {
                for (const { _id } of batch) found.add(_id)
              },
              { sort, limit: 3 },
            )
            for (const id of expected) expect(found.has(id), `${id}`).to.equal(true)
            expect(found.has(0)).to.equal(false)
          }
        })

        it('gives nothing for a collection that is not there', async () => {
          expect((await snapshot('contract_nowhere')).documents).to.deep.equal([])
        })
      }

      it('waits for each batch before it reads on', async () => {
        for (let id = 0; id < 20; id++) await users.insertOne({ _id: id })
        let busy = false
        let count = 0
        await harness.adapter.read(USERS, {}, async (batch) => {
          expect(busy, 'two batches at once').to.equal(false)
          busy = true
          await pause(2)
          busy = false
          count += batch.length
        })
        expect(count).to.equal(20)
      })

      it('passes on an error of the one who reads', async () => {
        await users.insertOne({ _id: 1 })
        const error = new Error('enough')
        const failed = await harness.adapter
          .read(USERS, {}, () => {
            throw error
          })
          .then(
            () => undefined,
            (reason: unknown) => reason,
          )
        expect(failed).to.equal(error)
      })

      it('tells by a query for no document a position that no earlier write comes after, and comes to it', async () => {
        const recorder = await follow()
        const compare = (a: string, b: string) => harness.adapter.compare(a, b)
        for (const _id of [1, 2]) {
          await users.insertOne({ _id })
          const { to } = await snapshot(USERS, { _id: { $in: [] } })
          await recorder.until(_id)
          expect(compare(recorder.told.at(-1)?.position ?? '', to)).to.be.at.most(0)
          await until(() => compare(recorder.reached, to) >= 0, 'the position')
        }
      })

      it('tells positions that can be compared, the first not after the second', async () => {
        await users.insertOne({ _id: 1 })
        const { from, to } = await snapshot()
        expect(harness.adapter.compare(from, to)).to.be.at.most(0)
      })

      if (looksUp)
        it('looks documents up by their ids, leaving out those that are gone', async () => {
          const { adapter } = harness
          const lookUp = async (collection: string, ids: Id[]) => {
            const answer = (await adapter.lookup?.(collection, ids)) ?? expect.fail('There is no lookup')
            return Array.isArray(answer) ? answer : answer.documents
          }
          await users.insertOne({ _id: 1, name: 'one' })
          await users.insertOne({ _id: '1', name: 'a string' })
          await users.insertOne({ _id: 2, name: 'two' })
          await users.deleteOne({ _id: 2 })
          expectSame(await lookUp(USERS, [1, 2, 3]), [{ _id: 1, name: 'one' }])
          expectSame(await lookUp(USERS, ['1']), [{ _id: '1', name: 'a string' }])
          expectSame(await lookUp(USERS, []), [])
          expectSame(await lookUp('contract_nowhere', [1]), [])
        })
    })

    describe('reporting', () => {
      it('reports changes in order, as JSON, at strictly ascending positions', async () => {
        const recorder = await follow()
        await writeOneOfEach(users)
        if (harness.retells) {
          await recorder.settle(await users.find().toArray())
          expect(recorder.told.map(({ kind }) => kind)).to.include.members(['replace', 'delete'])
        } else {
          await recorder.until(6)
          expect(recorder.told.map(({ kind }) => kind)).to.deep.equal([
            kindOf('insert'),
            kindOf('insert'),
            'update',
            harness.compares ? 'update' : kindOf('replace'),
            kindOf('delete'),
            kindOf('insert'),
          ])
        }
        let last = recorder.position
        for (const change of recorder.told) {
          expect(harness.adapter.compare(last, change.position)).to.be.below(0)
          if (selects) expect(change.collection).to.equal(USERS)
          expect(new Date(change.timestamp).toISOString()).to.equal(change.timestamp)
          last = change.position
        }
        recorder.expectSound()
      })

      it('reports operations that lead from one state to the next', async () => {
        const recorder = await follow()
        await writeOneOfEach(users)
        await users.updateOne({ _id: 3 }, { $set: { 'new.parents.here': 1 }, $unset: { name: '' } })
        await users.updateOne({ _id: 3 }, { $push: { tags: { $each: ['c', 'd'] } } })
        await users.updateOne({ _id: 3 }, { $set: { 'tags.1': 'B', 'scores.0': 5 } })
        await users.updateOne({ _id: 3 }, { $pull: { tags: 'c' }, $inc: { age: 2 } })
        await users.updateOne({ _id: 3 }, { $rename: { age: 'years' }, $min: { low: 3 }, $mul: { high: 2 } })
        await users.updateOne({ _id: 3 }, { $pop: { tags: -1 }, $addToSet: { roles: 'admin' } })
        const final = await users.find().toArray()
        await recorder.settle(final)
        recorder.expectSound()
      })

      it('reports a write that creates parents at the topmost of them', async () => {
        await users.insertOne({ _id: 1, known: {} })
        const recorder = await follow()
        await users.updateOne({ _id: 1 }, { $set: { 'a.b.c': 1 } })
        await users.updateOne({ _id: 1 }, { $inc: { 'known.b.c': 1 } })
        await recorder.until(2)
        if (harness.retells) {
          await recorder.settle([{ _id: 1, a: { b: { c: 1 } }, known: { b: { c: 1 } } }])
          return
        }
        const operations = recorder.told.flatMap((change) =>
          'operations' in change ? change.operations : [],
        )
        expect(operations.map(({ operation, path, data }) => ({ operation, path, data }))).to.deep.equal([
          { operation: 'set', path: 'a', data: { b: { c: 1 } } },
          { operation: 'set', path: 'known.b', data: { c: 1 } },
        ])
      })

      it('keeps to itself what a write did not change', async () => {
        await users.insertOne({ _id: 1, name: 'same' })
        const recorder = await follow()
        await users.updateOne({ _id: 1 }, { $set: { name: 'same' } })
        await users.updateOne({ _id: 9 }, { $set: { name: 'nobody' } })
        await users.deleteOne({ _id: 9 })
        await users.insertOne({ _id: 2 })
        await recorder.until(1)
        expect(recorder.told.map((change) => ('id' in change ? change.id : null))).to.deep.equal([2])
        expect(recorder.told[0]?.kind).to.equal(kindOf(harness.retells ? 'replace' : 'insert'))
      })

      if (selects)
        it('tells collections apart', async () => {
          const teams = harness.collection(TEAMS)
          const recorder = await follow()
          await users.insertOne({ _id: 1, in: 'users' })
          await teams.insertOne({ _id: 1, in: 'teams' })
          if (harness.retells) await recorder.until(2)
          await users.deleteOne({ _id: 1 })
          await recorder.until(3)
          const inserted = harness.retells ? 'replace' : 'insert'
          expect(recorder.told.map(({ collection, kind }) => [collection, kind])).to.deep.equal([
            [USERS, inserted],
            [TEAMS, inserted],
            [USERS, 'delete'],
          ])
          expectSame((await snapshot(USERS)).documents, [])
          expectSame((await snapshot(TEAMS)).documents, [{ _id: 1, in: 'teams' }])
        })

      it('reports a dropped collection as cleared, and what comes after', async () => {
        await users.insertOne({ _id: 1 })
        await users.insertOne({ _id: 2 })
        const recorder = await follow()
        await users.drop()
        await users.insertOne({ _id: 3 })
        await recorder.settle([{ _id: 3 }], { documents: [{ _id: 1 }, { _id: 2 }] })
        expect(recorder.told.map(({ kind }) => kind)).to.include(harness.retells ? 'delete' : kindOf('clear'))
      })

      it('reports every document of a deleteMany', async () => {
        for (let id = 0; id < 5; id++) await users.insertOne({ _id: id, odd: id % 2 === 1 })
        const recorder = await follow()
        await users.deleteMany({ odd: true })
        await recorder.until(2)
        expectSame(
          recorder.told.map((change) => ('id' in change ? change.id : null)),
          [1, 3],
        )
      })

      if (shares)
        it('serves several listeners at once, each with everything', async () => {
          const one = await follow()
          const two = await follow()
          await writeOneOfEach(users)
          const final = await users.find().toArray()
          await one.settle(final)
          await two.settle(final)
          expect(one.told).to.deep.equal(two.told)
        })
    })

    describe('meeting of snapshot and changes', () => {
      it('gives the collection, whatever is written while it is read', async () => {
        for (let id = 0; id < 40; id++) await users.insertOne({ _id: id, count: 0, list: [] })
        const recorder = await follow()
        const busy = writeAtRandom(users, 120)
        await pause(3)
        const meeting = await snapshot()
        await busy
        const final = await users.find().toArray()
        await recorder.settle(final, meeting)
        recorder.expectSound()
      })

      it('starts no later than the snapshot that is taken after it', async () => {
        const recorder = await follow()
        const { from } = await snapshot()
        expect(harness.adapter.compare(recorder.position, from)).to.be.at.most(0)
      })

      it('has of the first of an order all that stay as they are, whatever else is written meanwhile', async () => {
        for (let id = 0; id < 40; id++) await users.insertOne({ _id: id, count: -1, still: id % 2 === 0 })
        const sort = [
          ['count', 1],
          ['_id', 1],
        ] as const
        const busy = writeAtRandom(users, 60, (id) => id % 2 === 1)
        for (let round = 0; round < 5; round++) {
          const found: Document[] = []
          await harness.adapter.read(USERS, {}, (batch) => void found.push(...batch), { sort, limit: 6 })
          expect(found.length).to.be.at.least(6)
          const still = found.filter((document) => document.still === true).map(idOf)
          const others = found.some(({ count }) => count !== -1)
          // Those of the count -1 come first, by their ids.
          const last = others ? 40 : Math.max(...found.map(({ _id }) => Number(_id)))
          for (let id = 0; id < last; id += 2) expect(still, `${id} before ${last}`).to.include(id)
        }
        await busy
      })
    })

    describe('following from a position', () => {
      it('reports everything after it exactly once, or starts later and says so', async () => {
        const first = await follow()
        await writeOneOfEach(users)
        if (harness.retells) await first.settle(await users.find().toArray())
        else await first.until(6)
        await first.close()
        const from = first.told[1]?.position ?? ''
        const second = await follow(from)
        await users.insertOne({ _id: 'after' })
        const order = harness.adapter.compare(from, second.position)
        expect(order).to.be.at.most(0)
        const expected = order === 0 ? first.told.slice(2).map(({ position }) => position) : []
        await second.until(expected.length + 1)
        expect(second.told.slice(0, -1).map(({ position }) => position)).to.deep.equal(expected)
      })

      it('goes on after the last position with nothing missing and nothing twice', async () => {
        const first = await follow()
        await users.insertOne({ _id: 1 })
        await first.until(1)
        await first.close()
        await users.insertOne({ _id: 2 })
        const from = first.reached
        const second = await follow(from)
        await users.insertOne({ _id: 3 })
        const resumed = harness.adapter.compare(from, second.position) === 0
        const expected = resumed ? [2, 3] : [3]
        await second.until(expected.length)
        expect(second.told.map((change) => ('id' in change ? change.id : null))).to.deep.equal(expected)
      })

      for (const [what, position] of Object.entries({
        empty: '',
        malformed: 'no position at all',
        'cut off': '-',
        'a number': '12',
        foreign: '00000000deadbeef-3',
        negative: '00000000deadbeef--1',
      })) {
        it(`never takes a position that is ${what} for one of its own`, async () => {
          await users.insertOne({ _id: 1 })
          const recorder = await follow(position)
          expect(recorder.position).not.to.equal(position)
          await users.insertOne({ _id: 2 })
          await recorder.until(1)
          expect(recorder.told.map((change) => ('id' in change ? change.id : null))).to.deep.equal([2])
          expect(harness.adapter.compare(position, recorder.position)).to.satisfy(Number.isNaN)
        })
      }
    })

    describe('a source that reads ahead of what it has told', () => {
      for (const [kind, options] of Object.entries({
        'a view': {},
        // A source of callbacks has no such view: the server refuses sort and limit beside payload and delta,
        // whose changes don't say whether a document came, changed or went (spec/source/callbacks/contract.spec.ts).
        ...(selects ? { 'a sorted and limited view': { sort: { rank: 1 }, limit: 3 } as const } : {}),
      } as const)) {
        const setUp = async () => {
          for (const rank of [1, 2, 3, 4, 5]) await users.insertOne({ _id: rank, rank })
          const adapter = new ReadAhead(harness.adapter)
          const server = new Server({
            // No snapshot is kept at hand past a change: whoever comes then has the source read again.
            replay: { bytes: 0 },
            dataSources: {
              users: {
                manifest: true,
                collection: { adapter, collectionName: selects ? USERS : '' },
                ...options,
              },
            },
          })
          servers.push(server)
          const open = await new Visitor().come(server)
          await users.updateOne({ _id: 1 }, { $set: { used: 'up' } })
          await until(() => open.text.includes('up'), 'the snapshot at hand is used up')
          adapter.vanish(2, 4)
          return { adapter, server, open }
        }
        const deleteBoth = async () => {
          for (const _id of [2, 4]) await users.deleteOne({ _id })
        }
        const settle = async (...visitors: Visitor[]) => {
          const shown = ({ ids, ready }: Visitor) => ready && String(ids.toSorted()) === '1,3,5'
          await until(() => visitors.every(shown), 'all hold what is left')
        }

        it(`leaves no document with those who have ${kind} open when others have it read again`, async () => {
          const { adapter, server, open } = await setUp()
          const late = await new Visitor().come(server)
          await deleteBoth()
          adapter.appear(2, 4)
          await settle(open, late)
          await users.insertOne({ _id: 2, rank: 2 })
          await until(() => [open, late].every(({ ids }) => ids.includes(2)), 'all hold the new one')
        })

        it(`leaves none in ${kind} where what it had to tell is lost`, async () => {
          const { adapter, server, open } = await setUp()
          const late = await new Visitor().come(server)
          adapter.mute()
          await deleteBoth()
          await until(() => adapter.isBehind, 'the deletes')
          adapter.appear(2, 4)
          adapter.lose()
          await settle(open, late)
        })
      }
    })

    describe('closing', () => {
      it('reports nothing any more', async () => {
        const recorder = await follow()
        const other = await follow()
        await recorder.close()
        await users.insertOne({ _id: 1 })
        await other.until(1)
        expect(recorder.told).to.deep.equal([])
      })

      it('can be done twice, and opened again afterwards', async () => {
        const recorder = await follow()
        await recorder.close()
        await recorder.close()
        const again = await follow()
        await users.insertOne({ _id: 1 })
        await again.until(1)
        expect(again.told).to.have.length(1)
      })
    })
  })
}

/** Two inserts, an update, a replacement, a delete and an insert: six changes. */
async function writeOneOfEach(users: Writer): Promise<void> {
  await users.insertOne({ _id: 1, name: 'one', tags: [] })
  await users.insertOne({ _id: 2, name: 'two' })
  await users.updateOne({ _id: 1 }, { $set: { name: 'ONE' }, $inc: { age: 1 } })
  await users.replaceOne({ _id: 2 }, { title: 'second' })
  await users.deleteOne({ _id: 1 })
  await users.insertOne({
    _id: 3,
    name: 'three',
    tags: ['a', 'b', { deep: [null, 1.5, true] }],
    high: 2,
    low: 7,
  })
}

/** @param may which of the documents that are there may be changed; all, unless it says otherwise */
async function writeAtRandom(users: Writer, count: number, may = (_id: number) => true): Promise<void> {
  for (let index = 0; index < count; index++) {
    const _id = Math.floor(Math.random() * 50)
    if (!may(_id)) continue
    const kind = Math.floor(Math.random() * 6)
    if (kind === 0) await users.deleteOne({ _id })
    else if (kind === 1) await users.insertOne({ _id: `new ${index}`, count: 0, list: [index] })
    else if (kind === 2) await users.replaceOne({ _id }, { count: index, list: [] })
    else if (kind === 3) await users.updateOne({ _id }, { $push: { list: index }, $set: { 'sub.at': index } })
    else await users.updateOne({ _id }, { $inc: { count: 1 } })
    if (index % 10 === 0) await pause(1)
  }
}
