import { expect } from 'chai'
import { parseCriteria, relationsIn, resolveCriteria, startOf } from '../../lib/policy/criteria.ts'
import {
  checkRelation,
  type LinkCollection,
  linkValues,
  parseCacheConfig,
  parseRelation,
  type Relation,
  related,
} from '../../lib/policy/relation.ts'

const LINKS = parseCacheConfig({
  users: {},
  userstuffs: { userId: 'users._id', stuffId: 'stuffs._id' },
  stuffs: {},
  members: { user: 'users._id', team: 'teams._id' },
  teams: { 'owner.id': 'users._id' },
  boards: { teamId: 'teams._id', teamName: 'teams.name' },
  friends: { from: 'users._id', to: 'users._id' },
  'app.notes': { board: 'boards._id' },
})
const step = (collection: LinkCollection, from: string, to: string) => ({ collection, from, to })

describe('policy/relation', () => {
  describe('a cacheConfig', () => {
    const refused: [value: unknown, sentence: RegExp][] = [
      [[], /cacheConfig must name collections/],
      ['users', /cacheConfig must name collections/],
      [{ users: true }, /cacheConfig.users must be an object of fields/],
      [
        { links: { userId: 'users._id' } },
        /cacheConfig.links.userId must be "collection.field", with a collection of cacheConfig: links/,
      ],
      [{ users: {}, links: { userId: 'users' } }, /links.userId must be "collection.field"/],
      [{ users: {}, links: { userId: 'users.' } }, /links.userId must be "collection.field"/],
      [{ users: {}, links: { userId: 1 } }, /links.userId must be "collection.field"/],
      [{ users: {}, links: { $userId: 'users._id' } }, /"\$userId", which is not the name of a field/],
    ]
    for (const [value, sentence] of refused) {
      it(`is refused as ${JSON.stringify(value)}`, () => {
        expect(() => parseCacheConfig(value))
          .to.throw(sentence)
          .with.property('code', 'INVALID_OPTION')
      })
    }
  })

  describe('a text', () => {
    const table: [text: string, start: string, ...steps: ReturnType<typeof step>[]][] = [
      ['@userId|users._id>userstuffs._id>stuffs._id', 'userId', step('userstuffs', 'userId', 'stuffId')],
      ['@user.id | users._id > userstuffs._id', 'user.id', step('userstuffs', 'userId', '_id')],
      [
        '@u|users._id>members._id>teams._id>boards._id',
        'u',
        step('members', 'user', 'team'),
        step('boards', 'teamId', '_id'),
      ],
      // From one that holds the link to the one it links to, without a collection between them.
      ['@b|boards._id>teams._id', 'b', step('boards', '_id', 'teamId')],
      ['@b|boards._id>teams.name', 'b', step('boards', '_id', 'teamName')],
      // Where a link names another field than the one that is known, the documents in between are read.
      ['@t|teams._id>boards.title', 't', step('boards', 'teamId', 'title')],
      [
        '@u|users._id>teams._id>boards.title',
        'u',
        step('teams', 'owner.id', '_id'),
        step('boards', 'teamId', 'title'),
      ],
      [
        '@u|users._id>teams.name>boards._id',
        'u',
        step('teams', 'owner.id', 'name'),
        step('boards', 'teamName', '_id'),
      ],
      ['@b|boards._id>app.notes.text.plain', 'b', step('app.notes', 'board', 'text.plain')],
    ]
    for (const [text, start, ...steps] of table) {
      it(`${text} leads from ${start} through ${steps.map(({ collection }) => collection).join(', ')}`, () => {
        const parsed = parseRelation(text, LINKS, 'criteria')
        expect({ start: parsed.start, steps: parsed.steps }).to.deep.equal({ start, steps })
      })
    }

    const refused: [text: string, sentence: RegExp][] = [
      ['@userId|users._id', /follows no link: write the reference alone/],
      ['@userId|', /"" is not "collection.field", with a collection of cacheConfig/],
      [
        '@userId|users._id>nowhere._id',
        /"nowhere._id" is not "collection.field", with a collection of cacheConfig/,
      ],
      ['@userId|users>userstuffs._id', /"users" is not "collection.field"/],
      ['@userId|users._id>stuffs._id', /no field that links users._id and stuffs._id/],
      ['@userId|users.name>userstuffs._id', /no field that links users.name and userstuffs._id/],
      [
        '@userId|users._id>friends._id',
        /links users._id and friends._id by several fields: choose the field by related\('@userId'\)/,
      ],
      [
        '@userId|users._id>userstuffs._id>users._id',
        /comes to users a second time: a relation must not go in a circle/,
      ],
      ['@userId|users._id|userstuffs._id', /not of the form/],
      ['@a..b|users._id>userstuffs._id', /not of the form/],
    ]
    for (const [text, sentence] of refused) {
      it(`${text} is refused`, () => {
        expect(() => parseRelation(text, LINKS, 'dataSources.stuffs.criteria'))
          .to.throw(sentence)
          .with.property('code', 'INVALID_QUERY')
      })
    }

    it('is refused without a cacheConfig', () => {
      expect(() => parseRelation('@a|b.c>d.e', new Map(), 'criteria')).to.throw(/takes a cacheConfig/)
    })
  })

  describe('related()', () => {
    it('makes what the text of the same relation does', () => {
      expect(related('@userId').through('userstuffs', 'userId', 'stuffId')).to.deep.equal(
        parseRelation('@userId|users._id>userstuffs._id>stuffs._id', LINKS, 'criteria'),
      )
    })

    it('may branch: what it was made of stays as it was', () => {
      const one = related('@u').through('members', 'user', 'team')
      const two = one.through('boards', 'teamId', '_id')
      expect([one.steps.length, two.steps.length]).to.deep.equal([1, 2])
    })

    for (const start of ['userId', '@', '@@userId', '@a..b', '@a|b', 1]) {
      it(`takes no ${JSON.stringify(start)}`, () => {
        expect(() => related(start as string))
          .to.throw(/where a relation starts/)
          .with.property('code', 'INVALID_QUERY')
      })
    }

    const refused: [relation: Relation, sentence: RegExp][] = [
      [related('@u'), /goes through no collection/],
      [
        related('@u').through('nowhere', 'a', 'b'),
        /goes through "nowhere", a collection in neither cacheConfig nor a source/,
      ],
      [
        related('@u').through('users', 'a', 'b').through('users', 'b', 'c'),
        /users a second time: a relation must not go in a circle/,
      ],
      [
        related('@u').through('users', 'a', 'b').through({ collectionName: 'users' }, 'b', 'c'),
        /a second time/,
      ],
      [related('@u').through('users', 'a.$x', 'b'), /fields that are not names/],
      [related('@u').through('users', 'a', ''), /fields that are not names/],
      [related('@u').through('users', 'a', undefined as never), /fields that are not names/],
      [related('@u').through(undefined as never, 'a', 'b'), /something that is not a collection/],
    ]
    for (const [relation, sentence] of refused) {
      it(`is refused with ${JSON.stringify(relation.steps)}`, () => {
        expect(() => checkRelation(relation, (name) => name === 'users', 'criteria'))
          .to.throw(sentence)
          .with.property('code', 'INVALID_QUERY')
      })
    }
  })

  describe('in a criteria', () => {
    const parse = (criteria: unknown) =>
      parseCriteria(criteria, 'criteria', (relation) =>
        typeof relation === 'string' ? parseRelation(relation, LINKS, 'criteria') : relation,
      )
    const TEXT = '@u|users._id>userstuffs._id>stuffs._id'
    const resolve = (criteria: unknown, identity: unknown, values: (string | number)[] | undefined) =>
      resolveCriteria(parse(criteria), identity, (relation) => startOf(relation, identity) && values)

    const table: [criteria: unknown, values: (string | number)[], query: unknown][] = [
      [{ _id: TEXT }, [1, 2], { _id: { $in: [1, 2] } }],
      [{ _id: TEXT }, [], { _id: { $in: [] } }],
      [{ _id: { $in: TEXT }, kind: 'a' }, [1], { _id: { $in: [1] }, kind: 'a' }],
      [{ _id: { $in: [TEXT, 9] } }, [1, 2], { _id: { $in: [1, 2, 9] } }],
      [{ _id: { $nin: TEXT } }, [1], { _id: { $nin: [1] } }],
      [{ $or: [{ _id: TEXT }, { owner: '@u' }] }, [1], { $or: [{ _id: { $in: [1] } }, { owner: 'ann' }] }],
      [{ _id: TEXT }, ['@u', '@@'], { _id: { $in: ['@u', '@@'] } }],
    ]
    for (const [criteria, values, query] of table) {
      it(`${JSON.stringify(criteria)} becomes ${JSON.stringify(query)}`, () => {
        expect(resolve(criteria, { u: 'ann' }, values)).to.deep.equal(query)
      })
    }

    it('matches nothing where the identity lacks its start, save for one that is a member of a list', () => {
      expect(resolve({ _id: TEXT }, {}, [1])).to.equal(null)
      expect(resolve({ _id: { $nin: TEXT } }, {}, [1])).to.equal(null)
      expect(resolve({ $nor: [{ _id: { $in: [TEXT] } }] }, {}, [1])).to.equal(null)
      expect(resolve({ _id: { $in: [TEXT, 9] } }, {}, [1])).to.deep.equal({ _id: { $in: [9] } })
    })

    it('starts from a value, from each of an array, and never from an operator', () => {
      const [relation] = relationsIn(parse({ _id: TEXT })) as [Relation]
      expect(startOf(relation, { u: 1 })).to.deep.equal([1])
      expect(startOf(relation, { u: [1, null, 2] })).to.deep.equal([1, 2])
      expect(startOf(relation, { u: null })).to.equal(undefined)
      expect(() => startOf(relation, { u: { $ne: 1 } }))
        .to.throw()
        .with.property('code', 'UNAUTHORIZED')
    })

    it('is found wherever it stands', () => {
      const criteria = parse({
        $and: [{ a: TEXT }, { b: { $not: { $in: [related('@x').through('c', 'd', 'e')] } } }],
      })
      expect(relationsIn(criteria).map(({ start }) => start)).to.deep.equal(['u', 'x'])
    })

    for (const criteria of [
      { _id: { $ne: TEXT } },
      { _id: { $all: [TEXT] } },
      { _id: { $regex: TEXT } },
      { address: { street: TEXT } },
      { $and: [TEXT] },
      { $comment: TEXT },
    ]) {
      it(`is refused where it can't stand: ${JSON.stringify(criteria)}`, () => {
        expect(() => parse(criteria))
          .to.throw()
          .with.property('code', 'INVALID_QUERY')
      })
    }

    it('is refused in what a function returns', () => {
      const criteria = parse(() => ({ _id: related('@u').through('a', 'b', 'c') }))
      expect(() => resolveCriteria(criteria, {})).to.throw(/only a criteria that is a query can follow one/)
    })
  })

  it('takes values from documents, of arrays each, and nothing that is no value', () => {
    const values = (document: object, path: string) => [...linkValues(document as never, path).values()]
    expect(values({ a: { b: 1 } }, 'a.b')).to.deep.equal([1])
    expect(values({ a: [{ b: 1 }, { b: [2, 1] }, { c: 3 }, null] }, 'a.b')).to.deep.equal([1, 2])
    expect(values({ a: [null, { $ne: 1 }, { x: { $gt: 0 } }, { x: 1 }, '@u'] }, 'a')).to.deep.equal([
      { x: 1 },
      '@u',
    ])
    expect(values({}, 'toString')).to.deep.equal([])
  })
})
