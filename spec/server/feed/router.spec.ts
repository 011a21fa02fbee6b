import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { matcher, type Query } from '../../../lib/policy/query.ts'
import { Router } from '../../../lib/server/feed/router.ts'
import { Server } from '../../../lib/server/index.ts'
import { ViewFilter } from '../../../lib/server/view/filter.ts'
import type { View } from '../../../lib/server/view/view.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { DocumentChange } from '../../../lib/source/source.ts'
import { changesOf } from '../../support/feed.ts'
import { LocalClient, until } from '../../support/local.ts'

/** As much of a view as a router knows of, with the documents that it has. */
class Member {
  readonly filter: ViewFilter
  readonly held = new Set<string>()

  constructor(query: Query) {
    this.filter = new ViewFilter(true, query, Object.keys(query).length > 0 ? matcher(query) : undefined)
  }
  get view(): View {
    return this as unknown as View
  }
  needsDocument(change: DocumentChange): boolean {
    return this.filter.needsDocument(change, this.held.has(idKey(change.id)))
  }
  /** What the view would show of the change if it were asked. */
  touched(change: DocumentChange): boolean {
    const shown = this.filter.show(change, this.held.has(idKey(change.id)))
    return typeof shown === 'symbol' || shown.length > 0
  }
}

const change = changesOf('cards')
const insert = (document: Document) =>
  change('insert', Number(document._id), {
    operations: [{ operation: 'set', path: '.', data: document as never }],
    document,
  })
const update = (id: number, path: string, data: never, document?: Document) =>
  change('update', id, {
    operations: [{ operation: 'set', path, data }],
    ...(document ? { document } : {}),
  })

describe('server/router', () => {
  /** Views of these criteria that hold these documents. */
  const routerOf = (...views: [Query, number[]?][]) => {
    const router = new Router()
    const members = views.map(([query, ids = []]) => {
      const member = new Member(query)
      router.add(member.view)
      for (const id of ids) {
        member.held.add(idKey(id))
        router.hold(member.view, idKey(id), true)
      }
      router.route(member.view, Object.keys(query).length > 0)
      return member
    })
    const found = (given: DocumentChange) =>
      members.flatMap((member, index) =>
        [...router.viewsOf(given, idKey(given.id))].includes(member.view) ? [index] : [],
      )
    const needs = (given: DocumentChange) => router.needsDocument(given, idKey(given.id))
    return { router, members, found, needs }
  }

  it('finds views by the value that a document has, and those that any change may touch', () => {
    const { found } = routerOf([{ team: 'a' }], [{ team: 'b' }], [{}], [{ n: { $gt: 1 } }])
    expect(found(insert({ _id: 1, team: 'a' }))).to.deep.equal([0, 2, 3])
    expect(found(insert({ _id: 1, team: ['a', 'b'] }))).to.deep.equal([0, 1, 2, 3])
    expect(found(insert({ _id: 1 }))).to.deep.equal([2, 3])
  })

  it('finds views by the documents that they have, whatever became of those', () => {
    const { found, router, members } = routerOf([{ team: 'a' }, [1, 2]], [{ team: 'b' }, [3]])
    expect(found(update(1, 'team', 'c' as never))).to.deep.equal([0])
    expect(found(change('delete', 3))).to.deep.equal([1])
    expect(found(change('delete', 9))).to.deep.equal([])
    if (members[0]) router.hold(members[0].view, idKey(1), false)
    expect(found(change('delete', 1))).to.deep.equal([])
  })

  it('finds all where it takes the document to tell, and the source does not give it', () => {
    const { found } = routerOf([{ team: 'a' }], [{ team: 'b', done: false }], [{ team: 'c' }])
    expect(found(update(1, 'team.0', 'a' as never))).to.deep.equal([0, 1, 2])
    expect(found(update(1, 'done', false as never))).to.deep.equal([0, 1, 2])
    expect(found(update(1, 'name', 'x' as never))).to.deep.equal([])
  })

  it('finds a view by the field that tells it from most others', () => {
    const views = Array.from({ length: 50 }, (_, n): [Query] => [{ archived: false, team: n }])
    const { found } = routerOf(...views)
    expect(found(insert({ _id: 1, archived: false, team: 7 })).length).to.be.below(3)
  })

  it('finds all for what happens to the whole collection, and none that was taken away', () => {
    const { router, members } = routerOf([{ team: 'a' }], [{}])
    const clear = { kind: 'clear' as const, position: '1', timestamp: '', collection: 'cards' }
    expect([...router.viewsOf(clear, '')].length).to.equal(2)
    for (const member of members) router.delete(member.view)
    expect([[...router.viewsOf(clear, '')].length, router.size]).to.deep.equal([0, 0])
  })

  it('asks a view again at every change once it does not know what it has', () => {
    const { router, members, found } = routerOf([{ team: 'a' }])
    if (members[0]) router.route(members[0].view, false)
    expect(found(insert({ _id: 1, team: 'z' }))).to.deep.equal([0])
  })

  describe('needs the document', () => {
    it('of an update that may bring it into a view', () => {
      const { needs } = routerOf([{ team: 'a' }, [1]], [{ team: 'b', done: false }])
      expect(needs(update(9, 'name', 'x' as never))).to.equal(false)
      expect(needs(update(9, 'team', 'c' as never))).to.equal(false)
      expect(needs(update(9, 'team', 'a' as never))).to.equal(true)
      expect(needs(update(9, 'done', false as never))).to.equal(true)
      expect(needs(update(9, 'team.name', 'a' as never))).to.equal(true)
    })

    it('not of one that a view has, where the update says it all', () => {
      const { needs } = routerOf([{ team: 'a' }, [1]])
      expect(needs(update(1, 'name', 'x' as never))).to.equal(false)
      expect(needs(update(1, 'team', 'b' as never))).to.equal(false)
    })
  })

  it('misses no view that a change touches, and asks for every document that one needs', () => {
    const team = fc.constantFrom('a', 'b', 'c')
    const query = fc.oneof(
      fc.constant<Query>({}),
      fc.record({ team }, { noNullPrototype: true }),
      fc.record({ team, done: fc.boolean() }, { noNullPrototype: true }),
      fc.record({ n: fc.constant({ $gt: 1 }), team }, { noNullPrototype: true }),
      fc.record(
        { team: fc.array(team, { maxLength: 2 }).map(($in) => ({ $in })) },
        { noNullPrototype: true },
      ),
      fc.constant<Query>({ $or: [{ team: 'a' }, { done: true }] }),
    )
    const document = fc.record(
      { team: fc.oneof(team, fc.array(team, { maxLength: 2 })), done: fc.boolean(), n: fc.nat({ max: 3 }) },
      { requiredKeys: [], noNullPrototype: true },
    )
    const ids = fc.array(fc.nat({ max: 3 }), { maxLength: 3 })
    const changes = fc.oneof(
      fc.tuple(fc.nat({ max: 3 }), document).map(([_id, rest]) => insert({ ...rest, _id })),
      fc.nat({ max: 3 }).map((id) => change('delete', id)),
      fc
        .tuple(fc.nat({ max: 3 }), fc.constantFrom('team', 'done', 'n', 'name', 'team.x'), team)
        .map(([id, path, data]) => update(id, path, data as never)),
      fc
        .tuple(fc.nat({ max: 3 }), fc.constantFrom('team', 'name'), team, document)
        .map(([id, path, data, rest]) => update(id, path, data as never, { ...rest, _id: id })),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(query, ids), { maxLength: 6 }), changes, (views, given) => {
        const { members, found, needs } = routerOf(...views)
        const asked = given.kind === 'update' && !given.document && needs(given)
        if (given.kind === 'update' && members.some((member) => member.needsDocument(given)))
          expect(asked, 'asks').to.equal(true)
        if (asked) return
        const all = found(given)
        members.forEach((member, index) => {
          if (member.touched(given)) expect(all, 'finds').to.include(index)
        })
      }),
      { numRuns: 3000 },
    )
  })

  it('has a change looked at by the views that it may touch, not by all that there are', async () => {
    const cards = memory().collection('cards')
    let evaluated = 0
    const server = new Server({
      identityLookup: (identity) => identity,
      dataSources: {
        cards: { manifest: true, collection: cards, criteria: { team: '@team' } },
      },
    })
    const clients = await Promise.all(
      Array.from({ length: 200 }, (_, team) => LocalClient.connect(server, { team })),
    )
    await until(() => clients.every((client) => client.ready))
    const show = ViewFilter.prototype.show
    ViewFilter.prototype.show = function (...given) {
      evaluated++
      return show.apply(this, given)
    }
    try {
      await cards.insertOne({ _id: 1, team: 7, n: 0 })
      await cards.updateOne({ _id: 1 }, { $inc: { n: 1 } })
      await cards.updateOne({ _id: 1 }, { $set: { team: 8 } })
      await cards.deleteOne({ _id: 1 })
      // The changes of one turn are one event.
      const told = (team: number) => clients[team]?.of('delta').flatMap(({ data }) => data.oplist)
      await until(() => told(8)?.length === 2)
      expect(told(7)?.length).to.equal(3)
      expect(evaluated).to.equal(5)
    } finally {
      ViewFilter.prototype.show = show
      await server.disconnect()
    }
  })
})
