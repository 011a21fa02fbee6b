import { expect } from 'chai'
import type { ParticleError } from '../../../lib/errors.ts'
import { related } from '../../../lib/policy/relation.ts'
import { Log } from '../../../lib/server/feed/log.ts'
import type { DependsOn } from '../../../lib/server/options/source-options.ts'
import { Sources } from '../../../lib/server/registry/sources.ts'
import { Dependencies } from '../../../lib/server/relations/dependencies.ts'
import { LiveQueries } from '../../../lib/server/relations/live-query.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { CountingAdapter } from '../../support/counting.ts'
import { until } from '../../support/local.ts'

describe('server/following', () => {
  const RELATION = related('@user').through('links', 'user', 'stuff')
  const setUp = (
    dependsOn?: (adapter: CountingAdapter) => DependsOn,
    criteria: object = { _id: RELATION },
  ) => {
    const store = memory()
    const adapter = new CountingAdapter(store)
    const log = new Log({ bytes: 1e6, ms: 1e6 })
    const errors: unknown[] = []
    const onError = (error: unknown) => errors.push(error)
    const sources = new Sources(
      {
        stuffs: { manifest: true, collection: adapter.handle('stuffs'), criteria: criteria as never },
        links: { manifest: true, collection: adapter.handle('links') },
      },
      { log, adapters: () => [], point: String, onError, diagnostics: new Diagnostics() },
    )
    const following = new Dependencies(sources, new LiveQueries(log, onError), dependsOn?.(adapter), onError)
    return { adapter, links: store.collection('links'), sources, following, errors }
  }

  it('settles what an identity is related to, and has it at hand right after', async () => {
    const { adapter, links, sources, following } = setUp()
    await links.insertOne({ _id: 1, user: 'ann', stuff: 7 })
    await following.settle({ user: 'ann' }, null)
    const found = following.related({ user: 'ann' })
    expect([found?.valuesOf(RELATION), adapter.reads]).to.deep.equal([[7], 1])
    expect(sources.viewsOf({ user: 'ann' }, found)[0]?.query).to.deep.equal({ _id: { $in: [7] } })
    found?.close()
    await following.close()
    expect(adapter.closes).to.equal(1)
  })

  it('gives views that differ by what they are related to, and none of no start', async () => {
    const { links, sources, following } = setUp()
    const keyOf = async (user: string | undefined) => {
      const identity = user === undefined ? {} : { user }
      await following.settle(identity, null)
      const found = following.related(identity)
      const [view] = sources.viewsOf(identity, found)
      found?.close()
      return view?.key
    }
    await links.insertMany([
      { _id: 1, user: 'ann', stuff: 1 },
      { _id: 2, user: 'ann', stuff: 2 },
      { _id: 3, user: 'ben', stuff: 2 },
      { _id: 4, user: 'ben', stuff: 1 },
      { _id: 5, user: 'cy', stuff: 1 },
    ])
    const [ann, ben, cy] = [await keyOf('ann'), await keyOf('ben'), await keyOf('cy')]
    expect(ann).to.equal(ben)
    expect(ann).not.to.equal(cy)
    const none = await keyOf(undefined)
    expect(none).to.be.a('string')
    expect([ann, cy]).to.not.include(none)
    await following.close()
  })

  it('has nothing to follow where no source follows a relation', async () => {
    const { following, adapter } = setUp(undefined, {})
    expect(following.related({})).to.equal(undefined)
    await following.settle({}, null)
    expect(following.watch({}, null, () => {})).to.equal(undefined)
    expect(adapter.opens).to.equal(0)
  })

  it('watches what an identity depends on, and names the documents as they are', async () => {
    const { following, links } = setUp((adapter) => [
      { collection: adapter.handle('links'), criteria: { user: '@user' } },
      { collection: adapter.handle('teams'), criteria: { _id: '@team' } },
    ])
    const dependenciesOf = (user: string) => following.dependencies({ user }, null)
    let told = 0
    const watching = following.watch({ user: 'ann' }, null, () => void told++)
    expect(watching?.digest).to.equal(undefined)
    await following.settle({ user: 'ann' }, null)
    await following.settle({ user: 'ben' }, null)
    const first = watching?.digest
    expect([told, first, dependenciesOf('ann')]).to.deep.equal([1, first, first])
    expect(first).to.match(/^[\w-]{16}$/)
    expect(dependenciesOf('ben')).not.to.equal(first)
    await links.insertOne({ _id: 1, user: 'ann', note: { a: 1, b: 2 } })
    await links.insertOne({ _id: 2, user: 'ben' })
    await until(() => told === 2)
    const second = watching?.digest
    expect(second).not.to.equal(first)
    await links.replaceOne({ _id: 1 }, { note: { b: 2, a: 1 }, user: 'ann' })
    await until(() => dependenciesOf('ann') === second)
    await links.deleteOne({ _id: 1 })
    await until(() => watching?.digest === first)
    const settled = told
    watching?.close()
    await following.close()
    expect(told).to.equal(settled)
  })

  it('reports what a function of the application does wrong, and holds nothing of it', async () => {
    const { following, errors, adapter } = setUp((given) => () => [
      { collection: given.handle('links') },
      { collection: given.handle('links'), criteria: { a: { $where: '' } } },
    ])
    expect(following.watch({}, null, () => {})).to.equal(undefined)
    expect(errors.map((error) => (error as ParticleError).code)).to.deep.equal(['CALLBACK_FAILED'])
    await following.close()
    expect(adapter.opens).to.equal(adapter.closes)
  })
})
