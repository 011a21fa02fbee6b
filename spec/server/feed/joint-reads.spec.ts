import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { matcher, type Query } from '../../../lib/policy/query.ts'
import { bounded } from '../../../lib/server/feed/bounded.ts'
import { JointReads } from '../../../lib/server/feed/joint-reads.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { EachBatch, Reading } from '../../../lib/source/source.ts'

/** The message of the error by which a promise rejects. */
const rejection = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: Error) => error.message,
  )

/** A store that counts its queries, may refuse some, and gives the documents in batches. */
class Counted {
  readonly queries: Query[] = []
  readonly documents: Document[]
  /** Says whether a query fails. */
  refuses: (query: Query) => boolean = () => false
  /** The number of documents that were given. */
  given = 0
  batch = 10
  inProcess = false

  constructor(documents: Document[] = []) {
    this.documents = documents
  }

  async read(_collection: string, query: Query, each: EachBatch): Promise<Reading> {
    this.queries.push(query)
    const number = this.queries.length
    await yieldToEventLoop()
    if (this.refuses(query)) throw new Error(`refused ${JSON.stringify(query)}`)
    const found = this.documents.filter(matcher(query))
    for (let start = 0; start < found.length; start += this.batch) {
      const batch = found.slice(start, start + this.batch)
      this.given += batch.length
      await each(batch)
    }
    return { from: `from${number}`, to: `to${number}`, timestamp: `time${number}` }
  }
}

const documentsOf = (teams: number, each: number): Document[] =>
  Array.from({ length: teams * each }, (_, _id) => ({ _id, team: _id % teams, even: _id % 2 === 0 }))

/** The team of very many documents. */
const ALL = 100

describe('server/joint-reads', () => {
  const setUp = (documents: Document[] = documentsOf(100, 3)) => {
    const source = new Counted(documents)
    const reads = new JointReads(source)
    const read = async (query: Query, collection = 'users') => {
      const documents: Document[] = []
      const reading = await reads.read(collection, query, matcher(query), (batch) => {
        documents.push(...batch)
      })
      return { reading, documents }
    }
    const teams = (from: number, to: number) =>
      Promise.all(Array.from({ length: to - from }, (_, at) => read({ team: from + at })))
    return { source, reads, read, teams }
  }
  const inTeam = (documents: readonly Document[], team: number) =>
    documents.filter((document) => document.team === team)

  it('are one query for the views of a turn, of which each gets its documents and the reading', async () => {
    const { source, teams } = setUp()
    const all = await teams(0, 20)
    expect(source.queries).to.have.length(1)
    for (const [team, { documents, reading }] of all.entries()) {
      expect(documents).to.deep.equal(inTeam(source.documents, team))
      expect(reading).to.deep.equal({ from: 'from1', to: 'to1', timestamp: 'time1' })
    }
  })

  it('are one query for views whose promises took ways of different lengths', async () => {
    const { source, read } = setUp()
    await Promise.all(
      [0, 1, 9].map(async (length) => {
        for (let step = 0; step < length; step++) await Promise.resolve()
        return read({ team: length })
      }),
    )
    expect(source.queries).to.have.length(1)
  })

  it('are the query itself for the only view of a turn', async () => {
    const { source, read } = setUp()
    await read({ team: 1 })
    await read({ team: 2 })
    expect(source.queries).to.deep.equal([{ team: 1 }, { team: 2 }])
  })

  it('stand for 32 views at most', async () => {
    const { source, teams } = setUp()
    await teams(0, 70)
    const sizes = source.queries.map(({ team }) => (team as { $in: unknown[] }).$in.length)
    expect(sizes).to.deep.equal([32, 32, 6])
  })

  it('have 1,000 values at most, and a query with more stays single', async () => {
    const { source, read } = setUp()
    const values = (length: number, from: number) => ({ $in: Array.from({ length }, (_, at) => from + at) })
    await Promise.all([
      read({ team: values(400, 0) }),
      read({ team: values(500, 400) }),
      read({ team: values(101, 900) }),
      read({ team: values(1_001, 0) }),
    ])
    const sizes = source.queries.map(({ team }) => (team as { $in: unknown[] }).$in.length)
    expect(sizes.sort((a, b) => a - b)).to.deep.equal([101, 900, 1_001])
  })

  it('stay single for another collection, another form, a query without plain values, and in one process', async () => {
    const { source, reads, read } = setUp()
    const all = () => reads.read('users', {}, undefined, () => {})
    await Promise.all([
      read({ team: 1 }),
      read({ team: 1 }, 'others'),
      read({ team: 1, even: true }),
      read({ even: null }),
      read({ team: { $gt: 3 } }),
      all(),
      all(),
    ])
    expect(source.queries).to.have.length(7)
    source.inProcess = true
    await Promise.all([read({ team: 1 }), read({ team: 2 })])
    expect(source.queries).to.have.length(9)
  })

  it('match no field that is hidden because it is nested too deep, as single reads do', async () => {
    const deep = JSON.parse(`${'['.repeat(300)}${']'.repeat(300)}`)
    const documents = [
      { _id: 0, team: [1, deep] },
      { _id: 1, team: 1, deep },
      { _id: 2, team: 2 },
    ]
    for (const teams of [[1], [1, 2]]) {
      const source = new Counted(documents)
      const reads = new JointReads(bounded(source as never, () => {}))
      const found: Document[] = []
      await Promise.all(
        teams.map((team) =>
          reads.read('users', { team }, matcher({ team }), (batch) => void found.push(...batch)),
        ),
      )
      expect(source.queries).to.have.length(1)
      expect(found).to.deep.equal(
        [
          { _id: 1, team: 1 },
          { _id: 2, team: 2 },
        ].slice(0, teams.length),
      )
    }
  })

  it('let no view wait for a search of other values than its own', async () => {
    const { source, read, teams } = setUp()
    await Promise.all([teams(0, 8), read({ team: '1' }), read({ team: true }), read({ team: '\ufffd' })])
    expect(source.queries).to.have.length(4)
    expect(source.queries).to.deep.include.members([{ team: '1' }, { team: true }, { team: '\ufffd' }])
  })

  it('let no view wait for another that takes its documents slowly', async () => {
    const { source, reads, read } = setUp()
    let take = () => {}
    let isTaken = false
    const taken = new Promise<void>((resolve) => {
      take = resolve
    })
    const slow = reads
      .read('users', { team: 1 }, matcher({ team: 1 }), () => taken)
      .then(() => {
        isTaken = true
      })
    await read({ team: 2 })
    await yieldToEventLoop()
    expect([source.queries.length, isTaken]).to.deep.equal([1, false])
    take()
    await slow
  })

  it('fail only for the view that refuses its documents', async () => {
    const { source, reads, read } = setUp()
    const refusing = reads.read('users', { team: 1 }, matcher({ team: 1 }), () => {
      throw new Error('too large')
    })
    const [error, other] = await Promise.all([rejection(refusing), read({ team: 2 })])
    expect(error).to.equal('too large')
    expect(other.documents).to.deep.equal(inTeam(source.documents, 2))
    expect(source.queries).to.have.length(1)
  })

  it('are made one by one when they fail together, and fail for the view whose own query is refused', async () => {
    const { source, read } = setUp()
    source.refuses = (query) => matcher(query)({ team: 3 })
    const [error, ...others] = await Promise.all([
      rejection(read({ team: 3 })),
      read({ team: 4 }),
      read({ team: 5 }),
    ])
    expect(error).to.equal('refused {"team":3}')
    expect(others.map(({ documents }) => documents)).to.deep.equal(
      [4, 5].map((team) => inTeam(source.documents, team)),
    )
    expect(source.queries.slice(1)).to.deep.equal([{ team: 3 }, { team: 4 }, { team: 5 }])
  })

  describe('of a view with very many documents', () => {
    const large = () =>
      setUp([
        ...documentsOf(100, 3),
        ...Array.from({ length: 50_000 }, (_, at) => ({ _id: 300 + at, team: ALL })),
      ])

    it('end after 1,000 documents: the other views are read without it', async () => {
      const { source, read, teams } = large()
      const [[small], whole] = await Promise.all([teams(0, 8), read({ team: ALL })])
      expect(small?.documents).to.deep.equal(inTeam(source.documents, 0))
      expect(whole.documents).to.have.length(50_000)
      expect(source.queries).to.have.length(10)
      expect(source.given).to.be.at.most(1_000 + 2 * source.batch + 50_000 + 8 * 3)
    })

    it('are single while views of the form have so many, and joint again after a small one', async () => {
      const { source, read, teams } = large()
      await read({ team: ALL })
      source.queries.length = 0
      await teams(0, 8)
      expect(source.queries).to.have.length(8)
      await teams(8, 16)
      expect(source.queries).to.have.length(9)
    })

    it('stand for as many views as have 1,000 documents together', async () => {
      const { source, teams } = setUp(documentsOf(64, 100))
      await teams(0, 1)
      source.queries.length = 0
      await teams(1, 31)
      expect(source.queries).to.have.length(3)
      expect(source.given).to.equal(31 * 100)
    })
  })

  it('give each view what its own read would give, whatever the queries are, and together', async () => {
    const value = fc.constantFrom(1, 2, 3, 'x', true)
    const condition = fc.oneof(
      value,
      fc.record({ $in: fc.array(value, { maxLength: 3 }) }),
      fc.constant(null),
    )
    const query = fc.oneof(
      fc.record({ team: condition }),
      fc.record({ team: condition, tags: condition }),
      fc.record({ tags: condition, age: fc.constant({ $gt: 1 }) }),
      fc.record({ $or: fc.array(fc.record({ team: condition }), { minLength: 1, maxLength: 2 }) }),
    )
    const document = fc.record({
      team: fc.oneof(value, fc.constant(null)),
      tags: fc.oneof(value, fc.array(value, { maxLength: 3 })),
      age: fc.nat(3),
    })
    let joined = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(query, { minLength: 4, maxLength: 40 }),
        fc.array(document, { maxLength: 20 }),
        fc.boolean(),
        async (queries, rows, fails) => {
          const { source, read } = setUp(rows.map((row, _id) => ({ _id, ...row })))
          source.batch = 3
          source.refuses = (given) => fails && !queries.includes(given as never)
          const found = await Promise.all(queries.map((one) => read(one)))
          for (const [at, { documents }] of found.entries())
            expect(documents).to.deep.equal(source.documents.filter(matcher(queries[at] ?? {})))
          if (!fails) joined += queries.length - source.queries.length
        },
      ),
      { numRuns: 200 },
    )
    expect(joined).to.be.greaterThan(50)
  })
})
