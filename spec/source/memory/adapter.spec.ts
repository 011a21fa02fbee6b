import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import type { Document } from '../../../lib/model/document.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Change, ChangeListener } from '../../../lib/source/source.ts'
import { sourceContract } from '../../contract/source.contract.ts'

sourceContract('memory()', async () => {
  const adapter = memory()
  return {
    adapter,
    collection: (name) => adapter.collection(name),
    exact: true,
    compares: true,
    close: async () => undefined,
  }
})

function listener(changes: (changes: readonly Change[], position: string) => void): ChangeListener {
  const ignore = () => undefined
  return { changes, progress: ignore, lost: ignore, error: ignore }
}

describe('memory()', () => {
  it('refuses options that it does not know or that are out of range', () => {
    for (const options of [
      { size: 1 },
      { history: -1 },
      { history: 1.5 },
      { history: '5' },
      [1],
      'x',
      null,
    ]) {
      expect(() => Reflect.apply(memory, undefined, [options]), JSON.stringify(options))
        .to.throw(ParticleError)
        .with.property('code', 'INVALID_OPTION')
    }
  })

  it('refuses an async function as a transaction, before the function starts a write', () => {
    const db = memory()
    let calls = 0
    expect(() => db.transact(async () => calls++))
      .to.throw(ParticleError, 'start all writes in a plain function')
      .with.property('code', 'INVALID_OPTION')
    expect(() => Reflect.apply(db.transact, db, [undefined])).to.throw(ParticleError, 'must be a function')
    expect(calls).to.equal(0)
  })

  it('gives the same collection for the same name', () => {
    const db = memory()
    expect(db.collection('users')).to.equal(db.collection('users'))
    expect(db.collection('users')).not.to.equal(db.collection('teams'))
    expect(db.collection('users').adapter).to.equal(db)
    expect(db.collection('users').collectionName).to.equal('users')
    expect(() => db.collection('')).to.throw(ParticleError)
  })

  it('tells its listeners before the promise of the write resolves', async () => {
    const db = memory()
    const kinds: string[] = []
    await db.open(listener((changes) => kinds.push(...changes.map(({ kind }) => kind))))
    const written = db.collection('users').insertOne({ _id: 1 })
    expect(kinds).to.deep.equal(['insert'])
    await written
  })

  it('reports the changes of one call at once, and none where nothing changed', async () => {
    const db = memory()
    const users = db.collection('users')
    const calls: number[] = []
    await db.open(listener((changes) => calls.push(changes.length)))
    await users.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }])
    await users.updateMany({}, { $set: { on: true } })
    await users.updateMany({}, { $set: { on: true } })
    await users.deleteMany({ _id: 9 })
    await users.deleteMany({})
    await users.drop()
    expect(calls).to.deep.equal([3, 3, 3])
  })

  it('replays the history up to its limit, and starts at the present past it', async () => {
    const db = memory({ history: 3 })
    const users = db.collection('users')
    const positions = [(await db.open(listener(() => undefined))).position]
    await db.open(listener((_, position) => positions.push(position)))
    for (let id = 1; id <= 20; id++) {
      await users.insertOne({ _id: id })
      for (let back = 0; back <= id; back++) {
        const told: string[] = []
        const from = positions[id - back] ?? ''
        const { position, close } = await db.open(
          listener((changes) => told.push(...changes.map((change) => change.position))),
          from,
        )
        expect(position).to.equal(back <= 3 ? from : positions[id])
        expect(told).to.deep.equal(back <= 3 ? positions.slice(id - back + 1) : [])
        await close()
      }
    }
  })

  it('keeps no history with a limit of 0, and still resumes where nothing was missed', async () => {
    const db = memory({ history: 0 })
    const { position } = await db.open(listener(() => undefined))
    expect(
      (
        await db.open(
          listener(() => undefined),
          position,
        )
      ).position,
    ).to.equal(position)
    await db.collection('users').insertOne({})
    expect(
      (
        await db.open(
          listener(() => undefined),
          position,
        )
      ).position,
    ).not.to.equal(position)
  })

  it('does not take positions of another instance or of its own future', async () => {
    const db = memory()
    const other = memory()
    const own = (await db.open(listener(() => undefined))).position
    const foreign = (await other.open(listener(() => undefined))).position
    const future = own.replace(/-0$/, '-5')
    expect(db.compare(own, foreign)).to.satisfy(Number.isNaN)
    expect(
      (
        await db.open(
          listener(() => undefined),
          foreign,
        )
      ).position,
    ).to.equal(own)
    expect(
      (
        await db.open(
          listener(() => undefined),
          future,
        )
      ).position,
    ).to.equal(own)
    for (const odd of [
      `${own}-0`,
      own.replace(/0$/, '00'),
      own.replace(/0$/, '1e3'),
      own.replace(/0$/, ' 0'),
    ]) {
      expect(db.compare(own, odd), odd).to.satisfy(Number.isNaN)
    }
  })

  it('goes on when a listener throws, and lets the error be seen', async () => {
    const db = memory()
    const told: string[] = []
    const thrown = new Error('a broken listener')
    await db.open(
      listener(() => {
        throw thrown
      }),
    )
    await db.open(listener((_, position) => told.push(position)))
    const seen = uncaught()
    await db.collection('users').insertOne({ _id: 1 })
    expect(await seen).to.equal(thrown)
    expect(told).to.have.length(1)
    expect(await db.collection('users').countDocuments()).to.equal(1)
  })

  it('keeps the order for everyone when a listener writes', async () => {
    const db = memory()
    const users = db.collection('users')
    const first: unknown[] = []
    const second: unknown[] = []
    const late: unknown[] = []
    await db.open(
      listener((changes) => {
        for (const change of changes) {
          if (!('id' in change)) continue
          first.push(change.id)
          if (change.id === 1) {
            void users.insertOne({ _id: 2 })
            void db.open(listener((news) => late.push(...news)))
            void users.insertOne({ _id: 3 })
          }
        }
      }),
    )
    await db.open(listener((changes) => second.push(...changes.map((change) => 'id' in change && change.id))))
    await users.insertOne({ _id: 1 })
    expect(first).to.deep.equal([1, 2, 3])
    expect(second).to.deep.equal([1, 2, 3])
    expect(late).to.have.length(1)
  })

  it('reads in batches what there was at the moment of the call', async () => {
    const db = memory()
    const users = db.collection('users')
    await users.insertMany(Array.from({ length: 2500 }, (_, id) => ({ _id: id, value: 0 })))
    const sizes: number[] = []
    const read: Document[] = []
    const range = await db.read('users', {}, async (batch) => {
      sizes.push(batch.length)
      read.push(...batch)
      await users.updateMany({}, { $inc: { value: 1 } })
      await users.deleteOne({ _id: 2499 })
    })
    expect(sizes).to.deep.equal(new Array(10).fill(250))
    expect(read.every(({ value }) => value === 0)).to.equal(true)
    expect(range.from).to.equal(range.to)
    expect(db.compare(range.to, (await db.open(listener(() => undefined))).position)).to.be.below(0)
  })

  it('lets others have their turn while it reads, also where no document matches', async () => {
    const db = memory()
    await db
      .collection('users')
      .insertMany(Array.from({ length: 50_000 }, (_, id) => ({ _id: id, name: `user ${id}` })))
    for (const query of [{}, { name: { $in: ['nobody'] } }]) {
      let turns = 0
      let reading = true
      const count = () => {
        turns++
        if (reading) setImmediate(count)
      }
      setImmediate(count)
      const began = performance.now()
      // A little work for each batch, as the server has it.
      await db.read('users', query, (batch) => void JSON.stringify(batch))
      reading = false
      const took = performance.now() - began
      // On a busy machine one slice may take it all: without slices there would be no turn at all.
      if (took > 20) expect(turns, `turns in ${took} ms`).to.be.greaterThan(0)
    }
  })

  it('never changes a document that it gave away, nor lets one be changed from outside', async () => {
    const db = memory()
    const users = db.collection('users')
    const tags = ['a']
    await users.insertOne({ _id: 1, tags, sub: { list: [{ n: 1 }] } })
    tags.push('from outside')
    const changes: Change[] = []
    await db.open(listener((news) => changes.push(...news)))
    const [before] = await db.lookup('users', [1])
    const kept = structuredClone(before)
    const value = { deep: [1] }
    await users.updateOne({ _id: 1 }, { $push: { tags: 'b' }, $set: { 'sub.list.0.n': 2, value } })
    value.deep.push(2)
    expect(before).to.deep.equal(kept)
    const found = await users.findOne({ _id: 1 })
    expect(found).to.deep.equal({ _id: 1, tags: ['a', 'b'], sub: { list: [{ n: 2 }] }, value: { deep: [1] } })
    if (found) found.tags = 'changed'
    const [change] = changes
    if (!change || !('operations' in change)) throw new Error('no change')
    for (const operation of change.operations) operation.data = null
    expect(await users.findOne({ _id: 1 })).to.deep.equal({
      _id: 1,
      tags: ['a', 'b'],
      sub: { list: [{ n: 2 }] },
      value: { deep: [1] },
    })
  })
})

/** The next error that nobody caught; mocha, which would fail the spec for it, doesn't hear of it. */
function uncaught(): Promise<unknown> {
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => {
      for (const one of listeners) process.on('uncaughtException', one)
      resolve(error)
    })
  })
}
