import { expect } from 'chai'
import type { Json } from '../../../lib/model/document.ts'
import { related as relation } from '../../../lib/policy/relation.ts'
import type { Feed } from '../../../lib/server/feed/feed.ts'
import { PendingRights } from '../../../lib/server/feed/pending-rights.ts'
import type {
  LiveQueries,
  LiveQueryListener,
  LiveQuerySpec,
} from '../../../lib/server/relations/live-query.ts'
import { RelationResolver } from '../../../lib/server/relations/relations.ts'

/** LiveQueries whose documents the spec gives. */
class Given {
  readonly rights = new PendingRights()
  readonly taken = new Map<string, { documents: object[] | undefined; tell: () => void; shares: number }>()

  take({ collection, query }: LiveQuerySpec, listener: LiveQueryListener) {
    const key = `${collection} ${JSON.stringify(query)}`
    const found = this.taken.get(key) ?? { documents: undefined, tell: () => {}, shares: 0 }
    this.taken.set(key, found)
    found.shares++
    const before = found.tell
    found.tell = () => {
      before()
      listener.changed()
    }
    return {
      query: found,
      release: () => {
        found.shares--
      },
    }
  }

  give(key: string, ...documents: object[]): void {
    const found = this.taken.get(key)
    if (!found) throw new Error(`nobody looks at ${key}`)
    found.documents = documents
    found.tell()
  }

  get held(): string[] {
    return [...this.taken].filter(([, { shares }]) => shares > 0).map(([key]) => key)
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('server/related', () => {
  const feed = {} as Feed
  const members = { feed, collection: 'members', from: 'user', to: 'team' }
  const grants = { feed, collection: 'grants', from: 'team', to: 'board' }
  const RELATION = relation('@user').through('members', 'user', 'team')
  const setUp = (steps = [members, grants], start: Json[] | undefined = ['ann']) => {
    const watches = new Given()
    const related = new RelationResolver(
      [{ relation: RELATION, steps, start }],
      watches as unknown as LiveQueries,
      1_000,
    )
    let changes = 0
    related.onChange = () => void changes++
    let settled = false
    void related.settled().then(() => {
      settled = true
    })
    return {
      watches,
      related,
      changes: () => changes,
      settled: () => settled,
      values: () => related.valuesOf(RELATION),
    }
  }
  const ANN = 'members {"user":{"$eq":"ann"}}'
  const team = (name: string) => `grants {"team":{"$eq":"${name}"}}`

  it('has no values where the identity lacks the start, and none where there are no documents', async () => {
    const lacking = new RelationResolver(
      [{ relation: RELATION, steps: [members], start: undefined }],
      {} as LiveQueries,
      1_000,
    )
    expect(lacking.valuesOf(RELATION)).to.equal(undefined)
    await lacking.settled()
    const { watches, values, settled } = setUp([members])
    watches.give(ANN)
    await turn()
    expect([values(), settled()]).to.deep.equal([[], true])
  })

  it('follows each step from the values of the one before, and is settled once all is read', async () => {
    const { watches, values, settled, changes } = setUp()
    expect([values(), watches.held]).to.deep.equal([[], [ANN]])
    watches.give(ANN, { _id: 1, team: 'x' }, { _id: 2, team: ['y', 'x'] })
    await turn()
    expect(watches.held).to.deep.equal([ANN, team('x'), team('y')])
    watches.give(team('y'), { _id: 1, board: 2 })
    await turn()
    expect([settled(), values()]).to.deep.equal([false, [2]])
    watches.give(team('x'), { _id: 2, board: 1 }, { _id: 3, board: 2 })
    await turn()
    expect([settled(), values(), changes()]).to.deep.equal([true, [1, 2], 2])
  })

  it('takes what a link leads to away at once, and adds what a new one leads to once it is read', async () => {
    const { watches, values, changes } = setUp()
    watches.give(ANN, { _id: 1, team: 'x' })
    await turn()
    watches.give(team('x'), { _id: 1, board: 1 })
    await turn()
    watches.give(ANN, { _id: 1, team: 'y' })
    await turn()
    expect([values(), watches.held]).to.deep.equal([[], [ANN, team('y')]])
    watches.give(team('y'), { _id: 2, board: 2 })
    await turn()
    expect([values(), changes()]).to.deep.equal([[2], 3])
  })

  it('tells what changes in one turn once, and nothing where the values are the same', async () => {
    const { watches, changes } = setUp([members], ['ann', 'ben'])
    watches.give(ANN, { _id: 1, team: 'x' })
    watches.give('members {"user":{"$eq":"ben"}}', { _id: 2, team: 'y' })
    expect(changes()).to.equal(0)
    await turn()
    expect(changes()).to.equal(1)
    watches.give(ANN, { _id: 1, team: 'y' }, { _id: 3, team: 'x' })
    await turn()
    expect(changes()).to.equal(1)
  })

  it('holds nothing and tells nothing once it is closed', async () => {
    const { watches, related, changes, settled } = setUp()
    watches.give(ANN, { _id: 1, team: 'x' })
    await turn()
    watches.give(team('x'), { _id: 1, board: 1 })
    related.close()
    await turn()
    expect([watches.held, changes(), settled()]).to.deep.equal([[], 0, true])
    await related.settled()
  })
})
