import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { Order } from '../../../lib/policy/order.ts'
import { type RedisAdapter, redis } from '../../../lib/source/redis/index.ts'
import { HEAD } from '../../../lib/source/redis/script.ts'
import { READ_SELECTED, SCAN_SELECTED } from '../../../lib/source/redis/selection.ts'
import type { Query, ReadOptions } from '../../../lib/source/source.ts'
import { expectSameAsSingle, similarQueries } from '../../support/joint.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { type Client, connect, freshPrefix, removeAll, watch } from './harness.ts'
import { documents, FIELDS, options, PATHS, query, TEXTS, VALUES } from './nasty.ts'

describe('source/redis selects on the server', () => {
  let client: Client
  let prefix: string
  let seen: ReturnType<typeof watch>
  let adapter: RedisAdapter

  before(async function () {
    client = await connect((await redisOrSkip(this)).url)
  })

  beforeEach(() => {
    prefix = freshPrefix()
    seen = watch(client)
    adapter = redis(seen.watched, { prefix })
    adapter.collection('all', { fields: FIELDS })
  })

  afterEach(() => removeAll(client, prefix))

  after(() => client?.destroy())

  async function read(wanted: Query, first?: ReadOptions) {
    const found: Document[] = []
    await adapter.read('all', wanted, (batch) => void found.push(...batch), first)
    return found.sort((a, b) => (String(a._id) < String(b._id) ? -1 : 1))
  }

  /** How many documents came over the wire since this was asked for the last time. */
  function transferred(): number {
    let count = 0
    for (const { args, reply } of seen.sent.splice(0)) {
      if (args[0] !== 'EVALSHA' && args[0] !== 'EVAL') continue
      const isScan = args.includes(SCAN_SELECTED.sha) || args.includes(SCAN_SELECTED.text)
      const found = isScan
        ? (reply as [string, number, unknown[]])[2].filter((_, at) => at % 2 === 1)
        : (reply as unknown[] | undefined)
      count += found?.filter((raw) => raw !== null && raw !== 1).length ?? 0
    }
    return count
  }

  /** Writes many at once. */
  async function write(
    entries: Iterable<readonly [id: string, held: string | Record<string, string | Buffer>]>,
  ) {
    await Promise.all(
      [...entries].map(([id, held]) => {
        const key = `${prefix}all:${id}`
        return typeof held === 'string' ? client.set(key, held) : client.hSet(key, held)
      }),
    )
  }

  it('exactly what the matcher finds among all, and exactly the first of an order', async () => {
    const some = fc.array(fc.tuple(query, fc.option(options)), { minLength: 12, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(documents, some, async (held, queries) => {
        await removeAll(client, prefix)
        await write(held.map((one, at) => [`${TEXTS[at]}`, one as string]))
        const everything = await read({})
        for (const [wanted, first] of queries) {
          let expected = everything.filter(matcher(wanted))
          if (first) {
            const order = new Order(first.sort)
            const places = new Map(expected.map((document) => [document, order.valuesOf(document)]))
            expected.sort((a, b) => order.compare(places.get(a) ?? [], places.get(b) ?? []))
            expected = expected.slice(0, first.limit)
          }
          const ids = (list: Document[]) => list.map((document) => idKey(document._id ?? null)).sort()
          const found = await read(wanted, first ?? undefined)
          expect(ids(found), JSON.stringify([wanted, first])).to.deep.equal(ids(expected))
          for (const document of found) expect(everything).to.deep.include(document)
        }
      }),
      { numRuns: Number(process.env.RUNS ?? 60) },
    )
  }).timeout(600_000)

  it('by a joint query exactly what each of its queries finds', async () => {
    const rests: Query[] = [{}, { s: { $ne: 'x' } }, { $or: [{ n: { $gte: 0 } }, { b: true }] }]
    let saved = 0
    await fc.assert(
      fc.asyncProperty(documents, similarQueries(PATHS, VALUES, rests), async (held, queries) => {
        await removeAll(client, prefix)
        await write(held.map((one, at) => [`${TEXTS[at]}`, one as string]))
        saved += await expectSameAsSingle(adapter, 'all', queries)
      }),
      { numRuns: 60 },
    )
    expect(saved).to.be.greaterThan(60)
  }).timeout(60_000)

  it('what Redis reads otherwise than we do', async () => {
    const found: [held: string | Record<string, string | Buffer>, wanted: Query][] = [
      // Bytes that are no UTF-8 are U+FFFD here, which is elsewhere in the order.
      [{ s: Buffer.from([0xff]) }, { s: '\ufffd' }],
      [{ s: Buffer.from([0xff]) }, { s: { $lt: '\u{1F600}' } }],
      [{ s: Buffer.from([0x78, 0xe2]) }, { s: { $gt: 'x€' } }],
      // JSON that Lua refuses: a lone surrogate, and what is nested deeply.
      ['{"n":1,"\\ud800":0}', { n: 1 }],
      [{ j: '["x","\\ud800"]' }, { j: 'x' }],
      [`{"n":1,"deep":${'['.repeat(1100)}${']'.repeat(1100)}}`, { n: 1 }],
      // What it takes for JSON is none: the text stays.
      [{ j: '"a\tb"' }, { j: '"a\tb"' }],
      [{ j: '01' }, { j: '01' }],
      [{ j: '{"k":01}' }, { j: { $gt: '{"k":0' } }],
      // Numbers that a double can't hold are texts.
      [{ n: '9007199254740993' }, { n: '9007199254740993' }],
      [{ n: '1e999' }, { n: { $in: ['1e999'] } }],
      [{ n: '+1.0e0' }, { n: 1 }],
      // Written in another way than it's asked for.
      ['{"s":"\\u0078"}', { s: 'x' }],
      ['{"s":"\\ud83d\\ude00"}', { s: '\u{1F600}' }],
      ['{"s":"a\\/\\"b"}', { s: 'a/"b' }],
      [{ s: 'x\0y' }, { s: 'x\0y' }],
      ['{"s":1,"s":"x"}', { s: 'x' }],
      ['{"j":{"1":"x"}}', { 'j.1': 'x' }],
      ['{"j":["a","x"]}', { 'j.1': 'x' }],
      ['{"constructor":"x"}', { constructor: 'x' as never }],
      [JSON.stringify({ s: 'x', long: 'y'.repeat(100_000) }), { s: 'x' }],
      [{ j: JSON.stringify({ k: 'x', long: 'y'.repeat(100_000) }) }, { 'j.k': 'x' }],
      // Too much to be judged.
      [{ s: 'x' }, { s: { $in: ['x', ...Array.from({ length: 5000 }, (_, at) => `value ${at}`)] } }],
      [
        { s: 'x' },
        { $or: Array.from({ length: 300 }, (_, at): Query => ({ [at === 299 ? 's' : `f${at}`]: 'x' })) },
      ],
      [
        { s: 'x' },
        Array.from({ length: 600 }).reduce<Query>((inner) => ({ $and: [inner, { s: 'x' }], s: 'x' }), {}),
      ],
      [{ n: '5' }, { n: { $lt: Number.POSITIVE_INFINITY } }],
      [{ s: '2024-01-01T00:00:00.000Z' }, { s: new Date('2024-01-01'), _id: { $gte: '0' } }],
    ]
    for (const [at, [held, wanted]] of found.entries()) {
      await removeAll(client, prefix)
      await write([['5', held]])
      expect((await read(wanted)).length, `case ${at}`).to.equal(1)
    }
  })

  it('and sends only what matches, of whatever form', async () => {
    const fields = (at: number) => ({ n: at % 50, team: `team ${at % 50}`, at: 1e12 + at, on: at % 50 === 0 })
    const hashes = Array.from({ length: 1000 }, (_, at) => {
      const held = {
        n: `${at % 50}.0`,
        s: `team ${at % 50}`,
        j: JSON.stringify({ deep: [fields(at)] }),
        b: at % 50 ? '0' : '1',
      }
      return [`h${String(at).padStart(4, '0')}`, held] as const
    })
    const strings = Array.from({ length: 1000 }, (_, at) => {
      const held = {
        n: at % 50,
        s: `team ${at % 50}`,
        j: { deep: [fields(at)] },
        b: at % 50 === 0,
        text: '\\',
      }
      return [`j${String(at).padStart(4, '0')}`, JSON.stringify(held)] as const
    })
    await write([...hashes, ...strings])
    await client.rPush(`${prefix}all:list`, 'x')
    const wanted: [Query, number][] = [
      [{ n: 7 }, 40],
      [{ s: 'team 7' }, 40],
      [{ s: { $in: ['team 7', 'team 8', 'none'] } }, 80],
      [{ n: { $gte: 7, $lt: 9 } }, 80],
      [{ s: { $gte: 'team 7', $lt: 'team 8' } }, 40],
      [{ b: true }, 40],
      [{ 'j.deep.team': 'team 7' }, 40],
      [{ 'j.deep.at': { $lt: 1e12 + 5 } }, 10],
      [{ $or: [{ n: 1 }, { s: 'team 2' }] }, 80],
      [{ $and: [{ n: { $ne: 1 } }, { s: 'team 1' }] }, 40],
      [{ none: 1 }, 0],
      [{ none: null, n: 3 }, 40],
      [{ n: { $in: [] } }, 0],
      [{ _id: { $gte: 'j0990' } }, 10],
      [{ _id: { $in: ['h0007', 'h0008', 'j0007'] }, n: 7 }, 2],
    ]
    for (const [one, count] of wanted) {
      transferred()
      const found = await read(one)
      const sent = transferred()
      const exact = found.length
      expect(sent, JSON.stringify(one)).to.equal(count)
      expect(exact).to.equal('$and' in one ? 0 : count)
    }
    transferred()
    expect(await read({ n: { $ne: 7 } })).to.have.length(1960)
    expect(transferred()).to.equal(2000)
  })

  it('the first of an order, sends few besides and gives no more', async () => {
    const at = (index: number) => (index * 7919) % 10_007
    await write(
      Array.from({ length: 5000 }, (_, index) => [
        `${index}`,
        { n: `${at(index)}`, s: new Date(at(index) * 1e6).toISOString() },
      ]),
    )
    for (const path of ['n', 's', '_id']) {
      for (const direction of [1, -1] as const) {
        let most = 0
        let count = 0
        const sort = [[path, direction], ...(path === '_id' ? [] : [['_id', 1] as const])] as const
        transferred()
        await adapter.read(
          'all',
          {},
          (batch) => {
            most = Math.max(most, batch.length)
            count += batch.length
          },
          { sort, limit: 300 },
        )
        expect(count).to.equal(300)
        expect(most).to.be.at.most(250)
        expect(transferred(), `${path} ${direction}`).to.be.below(3000)
      }
    }
  })

  it('the first of an order among numbers that are too large, which are null', async () => {
    await write(['1e999', '-1e999', '1e999', '5', '7', '1e999'].map((n, at) => [`${at}`, `{"n":${n}}`]))
    const ids = async (direction: 1 | -1, limit: number) => {
      const sort = [
        ['n', direction],
        ['_id', 1],
      ] as const
      return (await read({}, { sort, limit })).map(({ _id }) => _id)
    }
    expect(await ids(1, 2)).to.deep.equal(['0', '1'])
    expect(await ids(1, 5)).to.deep.equal(['0', '1', '2', '3', '5'])
    expect(await ids(-1, 3)).to.deep.equal(['0', '3', '4'])
  })

  it('a number that is too large as null, wherever it stands', async () => {
    await client.hSet(`${prefix}all:hash`, { j: '{"k":1e400}', n: '1e400', s: '1e400' })
    await client.hSet(`${prefix}all:field`, { j: '-1e400' })
    await client.set(`${prefix}all:json`, '{"j":{"k":[-1e400,1]},"n":1e400}')
    const all = [
      { _id: 'field', j: null },
      { _id: 'hash', j: { k: null }, n: '1e400', s: '1e400' },
      { _id: 'json', j: { k: [null, 1] }, n: null },
    ]
    expect(await read({})).to.deep.equal(all)
    const ids = async (wanted: Query) => (await read(wanted)).map(({ _id }) => _id)
    expect(await ids({ 'j.k': null })).to.deep.equal(['field', 'hash', 'json'])
    expect(await ids({ n: null })).to.deep.equal(['field', 'json'])
    expect(await ids({ $or: [{ n: { $gt: 5 } }, { j: { $lt: 5 } }, { 'j.k': { $lt: 0 } }] })).to.deep.equal(
      [],
    )
    expect(await ids({ n: '1e400' })).to.deep.equal(['hash'])
  })

  it('with all values as arguments: none ever stands in the text of a script', async () => {
    await write([['1', { s: 'x' }]])
    await client.scriptFlush()
    const values = ['secret value', "') redis.call('FLUSHALL') --", '\\"]]', 4711.25, ']==]']
    for (const one of values) {
      for (const wanted of [
        { s: one },
        { s: { $in: [one] } },
        { s: { $gt: one } },
        { _id: `${one}` },
        { [`${one}`]: one },
      ])
        await read(wanted as Query, { sort: [[`s${one}`, 1]], limit: 1 })
    }
    const texts = new Set(seen.sent.filter(({ args }) => args[0] === 'EVAL').map(({ args }) => args[1]))
    const digests = new Set(seen.sent.filter(({ args }) => args[0] === 'EVALSHA').map(({ args }) => args[1]))
    expect([...texts]).to.have.members(
      [HEAD.text, SCAN_SELECTED.text, READ_SELECTED.text].filter((text) => texts.has(text)),
    )
    expect([...digests]).to.have.members(
      [HEAD.sha, SCAN_SELECTED.sha, READ_SELECTED.sha].filter((sha) => digests.has(sha)),
    )
    expect([...texts]).to.include.members([SCAN_SELECTED.text, READ_SELECTED.text])
    const sent = seen.sent.flatMap(({ args }) => args.slice(2)).join()
    for (const one of values) expect(sent).to.include(JSON.stringify(one))
    expect(await client.exists(`${prefix}all:1`)).to.equal(1)
  })

  it('in steps that end in time, however large documents are', async () => {
    const large = JSON.stringify({ s: 'y', list: Array.from({ length: 11_000 }, (_, at) => at) })
    expect(large.length).to.be.within(50_000, 60_000)
    await write(Array.from({ length: 60 }, (_, at) => [`${at}`, at % 2 ? large : { s: 'x', j: large }]))
    const cases: [Query, number, number][] = [
      [{ n: { $gte: 1 } }, 0, 8],
      [{ 'j.s': 'y' }, 30, 8],
      [{}, 60, 2],
    ]
    for (const [wanted, count, calls] of cases) {
      seen.sent.length = 0
      expect(await read(wanted)).to.have.length(count)
      expect(seen.sent.length, JSON.stringify(wanted)).to.be.at.least(calls)
    }
  })

  it('no document under a key that is no UTF-8, nor one of another of the same look', async () => {
    await write([['\ufffd', { s: 'right' }]])
    await client.sendCommand(['HSET', Buffer.from(`${prefix}all:\xff`, 'latin1'), 's', 'wrong'])
    expect(await read({})).to.deep.equal([{ _id: '\ufffd', s: 'right' }])
    expect(await read({ s: 'right' })).to.deep.equal([{ _id: '\ufffd', s: 'right' }])
    expect(await read({ s: 'wrong' })).to.deep.equal([])
    expect(await read({ _id: { $in: ['\ud800', '\udfff'] } })).to.deep.equal([])
    expect((await adapter.lookup('all', ['\ud800'])).documents).to.deep.equal([])
    const error = await adapter
      .collection('all')
      .set('\ud800', { s: 'wrong' })
      .catch((reason: Error) => reason)
    expect(String(error)).to.include('no key for the _id')
    await client.sendCommand(['DEL', Buffer.from(`${prefix}all:\xff`, 'latin1')])
  })
})
