import { expect } from 'chai'
import { Feed } from '../../../lib/server/feed/feed.ts'
import { Log } from '../../../lib/server/feed/log.ts'
import { LiveQueries } from '../../../lib/server/relations/live-query.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import { type MemoryAdapter, memory } from '../../../lib/source/memory/index.ts'
import { CountingAdapter } from '../../support/counting.ts'
import { until } from '../../support/local.ts'

describe('server/watch', () => {
  const setUp = () => {
    const store = memory()
    const adapter = new CountingAdapter(store)
    const links = store.collection('links')
    const log = new Log({ bytes: 1e6, ms: 1e6 })
    const errors: unknown[] = []
    const feed = new Feed(adapter, {
      log,
      adapters: () => [],
      point: String,
      onError: (error) => errors.push(error),
      diagnostics: new Diagnostics(),
    })
    const watches = new LiveQueries(log, (error) => errors.push(error))
    let told = 0
    const take = (user: string, listener = () => void told++) =>
      watches.take(
        { feed, collection: 'links', query: { user: { $eq: user } }, manifest: { to: true } },
        { changed: listener },
      )
    return { adapter, store, links, log, errors, watches, take, told: () => told }
  }

  it('gives the fields that count of the documents that match, and tells of each change of them', async () => {
    const { links, take, told, watches } = setUp()
    await links.insertMany([
      { _id: 1, user: 'ann', to: 1, note: 'x' },
      { _id: 2, user: 'ben', to: 2 },
    ])
    const ann = take('ann')
    expect([ann.query.documents, ann.query.digest]).to.deep.equal([undefined, undefined])
    await until(() => ann.query.documents !== undefined)
    expect([ann.query.documents, told()]).to.deep.equal([[{ _id: 1, to: 1 }], 1])
    const first = ann.query.digest
    await links.updateOne({ _id: 1 }, { $set: { note: 'y' } })
    await links.updateOne({ _id: 2 }, { $set: { to: 3 } })
    await links.updateOne({ _id: 2 }, { $set: { user: 'ann' } })
    await until(() => told() > 1)
    expect(ann.query.documents).to.deep.equal([
      { _id: 1, to: 1 },
      { _id: 2, to: 3 },
    ])
    expect(told()).to.equal(2)
    expect(ann.query.digest).not.to.equal(first)
    await links.deleteMany({})
    await until(() => ann.query.documents?.length === 0)
    ann.release()
    await watches.close()
  })

  describe('knows whether its documents have stayed the same', () => {
    type Links = ReturnType<typeof setUp>['links']
    const ANN = { _id: 1, user: 'ann', to: 1, note: 'x' }
    const rows: [string, (links: Links) => Promise<unknown>[], boolean][] = [
      ['nothing', () => [], true],
      ['a change of another', (links) => [links.updateOne({ _id: 2 }, { $set: { to: 3 } })], true],
      ['the removal of another', (links) => [links.deleteOne({ _id: 2 })], true],
      [
        'a change of a field without account',
        (links) => [links.updateOne({ _id: 1 }, { $set: { note: 'y' } })],
        true,
      ],
      ['a change', (links) => [links.updateOne({ _id: 1 }, { $set: { to: 2 } })], false],
      [
        'a change that is taken back',
        (links) => [2, 1].map((to) => links.updateOne({ _id: 1 }, { $set: { to } })),
        false,
      ],
      ['a removal, and the same anew', (links) => [links.deleteOne({ _id: 1 }), links.insertOne(ANN)], false],
      [
        'one that came and went',
        (links) => [links.insertOne({ _id: 3, user: 'ann', to: 3 }), links.deleteOne({ _id: 3 })],
        false,
      ],
      [
        'one that belonged to it for a while',
        (links) => ['ann', 'ben'].map((user) => links.updateOne({ _id: 2 }, { $set: { user } })),
        false,
      ],
      ['a collection that was emptied', (links) => [links.drop()], false],
    ]
    for (const [what, write, isSame] of rows)
      it(`after ${what}: ${isSame ? 'yes' : 'no'}`, async () => {
        const { links, take, log } = setUp()
        await links.insertMany([ANN, { _id: 2, user: 'ben', to: 2 }])
        const [ann] = [take('ann'), take('ben')]
        await until(() => ann.query.documents !== undefined)
        await links.updateOne({ _id: 1 }, { $set: { to: 9 } })
        await links.updateOne({ _id: 1 }, { $set: { to: 1 } })
        const before = log.head
        await Promise.all(write(links))
        await until(() => ann.query.digest !== undefined)
        expect(ann.query.isUnchangedSince(() => before)).to.equal(isSame)
        // What was found for one client serves one with an earlier position, and one with a later one.
        expect(ann.query.isUnchangedSince(() => before - 2)).to.equal(false)
        expect(ann.query.isUnchangedSince(() => log.head)).to.equal(true)
        expect(ann.query.isUnchangedSince(() => undefined)).to.equal(false)
      })

    it('not where the log does not reach back as far', async () => {
      const { links, take, log } = setUp()
      await links.insertOne(ANN)
      const ann = take('ann')
      await until(() => ann.query.documents !== undefined)
      const before = log.head
      await links.updateOne({ _id: 7 }, { $set: { to: 2 } }, { upsert: true })
      await until(() => log.head > before)
      expect(ann.query.isUnchangedSince(() => before)).to.equal(true)
      log.clear()
      expect(ann.query.isUnchangedSince(() => before)).to.equal(false)
    })
  })

  it('reads equal ones once, and follows them until the last is released and a while has passed', async () => {
    const { adapter, links, take, told } = setUp()
    await links.insertOne({ _id: 1, user: 'ann', to: 1 })
    const [one, two] = [take('ann'), take('ann')]
    await until(() => two.query.documents !== undefined)
    expect([adapter.reads, adapter.opens, told()]).to.deep.equal([1, 1, 2])
    one.release()
    one.release()
    await links.updateOne({ _id: 1 }, { $set: { to: 2 } })
    await until(() => told() === 3)
    two.release()
    const three = take('ann')
    expect(three.query.documents).to.deep.equal([{ _id: 1, to: 2 }])
    await links.updateOne({ _id: 1 }, { $set: { to: 3 } })
    await until(() => told() === 4)
    expect([adapter.reads, adapter.closes]).to.deep.equal([1, 0])
    three.release()
    await until(() => adapter.closes === 1)
    const four = take('ann')
    await until(() => four.query.documents !== undefined)
    expect([four.query.documents, adapter.reads]).to.deep.equal([[{ _id: 1, to: 3 }], 2])
    four.release()
  })

  it('ends what lingers at once when all is to be closed, and leaves what is in use', async () => {
    const { adapter, links, take, watches } = setUp()
    await links.insertOne({ _id: 1, user: 'ann', to: 1 })
    const [ann, ben] = [take('ann'), take('ben')]
    await until(() => ann.query.documents !== undefined && ben.query.documents !== undefined)
    ann.release()
    await watches.close()
    expect(adapter.closes).to.equal(0)
    await links.updateOne({ _id: 1 }, { $set: { user: 'ben' } })
    await until(() => ben.query.documents?.length === 1)
    ben.release()
    await watches.close()
    expect(adapter.closes).to.equal(1)
  })

  it('goes on trying where it can’t be read, and tells what went wrong', async () => {
    const { adapter, errors, links, take } = setUp()
    await links.insertOne({ _id: 1, user: 'ann', to: 1 })
    const failure = new Error('away')
    adapter.failures.push(failure)
    const ann = take('ann')
    await until(() => ann.query.documents !== undefined)
    expect([ann.query.documents, errors]).to.deep.equal([[{ _id: 1, to: 1 }], [failure]])
    ann.release()
  })

  it('reads again what was lost or replaced, and keeps what it had until then', async () => {
    const { adapter, store, links, take, told, watches } = setUp()
    await links.insertOne({ _id: 1, user: 'ann', to: 1 })
    const ann = take('ann')
    await until(() => ann.query.documents !== undefined)
    let go = () => {}
    adapter.gate = () =>
      new Promise((resolve) => {
        go = resolve
      })
    adapter.listener?.changes(
      [{ kind: 'reload', collection: 'links', position: await position(store), timestamp: '' }],
      await position(store),
    )
    await until(() => adapter.reads === 2)
    expect([ann.query.documents, told()]).to.deep.equal([[{ _id: 1, to: 1 }], 1])
    go()
    await until(() => told() === 2)
    adapter.gate = undefined
    adapter.listener?.lost('gone', await position(store))
    await until(() => told() === 3)
    expect([ann.query.documents, adapter.reads]).to.deep.equal([[{ _id: 1, to: 1 }], 3])
    ann.release()
    await watches.close()
  })

  it('takes in what changes while it is being read', async () => {
    const { adapter, links, take, watches } = setUp()
    await links.insertOne({ _id: 1, user: 'ann', to: 1 })
    let go: (() => void) | undefined
    adapter.gate = () =>
      new Promise((resolve) => {
        go = resolve
      })
    const ann = take('ann')
    await until(() => go !== undefined)
    await links.updateOne({ _id: 1 }, { $set: { to: 2 } })
    await links.insertOne({ _id: 2, user: 'ann', to: 3 })
    go?.()
    await until(() => ann.query.documents !== undefined)
    expect(ann.query.documents).to.deep.equal([
      { _id: 1, to: 2 },
      { _id: 2, to: 3 },
    ])
    ann.release()
    await watches.close()
  })
})

/** Where the store is now. */
async function position(store: MemoryAdapter): Promise<string> {
  return (await store.read('nothing', {}, () => {})).to
}
