import { expect } from 'chai'
import type { ParticleError } from '../../../lib/errors.ts'
import type { Document } from '../../../lib/model/document.ts'
import { redis } from '../../../lib/source/redis/index.ts'
import { SCAN_SELECTED } from '../../../lib/source/redis/selection.ts'
import { failure } from '../../support/failure.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { type Client, connect, freshAdapter, freshPrefix, readAll, removeAll, watch } from './harness.ts'

describe('source/redis', () => {
  let client: Client
  let prefix: string

  before(async function () {
    client = await connect((await redisOrSkip(this)).url)
  })

  beforeEach(() => {
    prefix = freshPrefix()
  })

  afterEach(() => removeAll(client, prefix))

  after(() => client?.destroy())

  const rejection = (promise: Promise<unknown>) =>
    promise.then(
      () => ({ code: 'none', message: '' }),
      (error: ParticleError) => ({ code: error.code, message: error.message }),
    )

  it('is one for the same client and options, and has one collection of a name', () => {
    const adapter = redis(client, { prefix, stream: 's' })
    expect(redis(client, { stream: 's', prefix })).to.equal(adapter)
    expect(redis(client, { prefix })).not.to.equal(adapter)
    const users = adapter.collection('users', { fields: { n: 'number' }, id: 'number' })
    expect(adapter.collection('users')).to.equal(users)
    expect(adapter.collection('users', { id: 'number', fields: { n: 'number' } })).to.equal(users)
    expect(users.adapter).to.equal(adapter)
    expect(failure(() => adapter.collection('users', { id: 'string' })).message).to.include('other options')
  })

  it('refuses options that it does not know, with a sentence', () => {
    const wrong: [unknown, string][] = [
      [{ streams: 's' }, '"streams" is not known; "stream" was perhaps meant'],
      [{ stream: '' }, 'stream that is the name of a key'],
      [{ stream: 's', maxLength: 0 }, 'maxLength of 1 or more'],
      [{ maxLength: 5 }, 'no stream'],
      [{ prefix: 5 }, 'prefix that is a string'],
      [{ stream: 's', oncePerHost: 5 }, 'oncePerHost must be true, false or the path of a folder'],
      [{ oncePerHost: true }, 'has oncePerHost, but no stream'],
      [null, 'object of options'],
    ]
    for (const [options, sentence] of wrong) {
      const { code, message } = failure(() => redis(client, options as never))
      expect(code).to.equal('INVALID_OPTION')
      expect(message).to.include('redis(client, options)').and.include(sentence)
    }
    for (const given of [undefined, {}, 'redis://localhost'])
      expect(failure(() => redis(given as never)).message).to.include('createClient()')
    const adapter = redis(client, { prefix })
    const collections: [unknown, unknown, string][] = [
      ['', {}, 'name that is a string'],
      ['users', null, 'object of options'],
      ['users', { type: 'set' }, "'hash' or 'json'"],
      ['users', { id: 'int' }, 'codecs'],
      ['users', { fields: { n: 'int' } }, 'codecs'],
      ['users', { fields: 7 }, 'codecs'],
      ['users', { prefix: 7 }, 'prefix that is a string'],
      ['users', { key: 'x' }, '"key" is not known; known are prefix, type, id, fields'],
    ]
    for (const [name, options, sentence] of collections) {
      const { code, message } = failure(() => adapter.collection(name as never, options as never))
      expect(code).to.equal('INVALID_OPTION')
      expect(message).to.include(sentence)
    }
    adapter.collection('users')
    expect(failure(() => adapter.collection('all', { prefix: 'use' })).message).to.include('overlap')
    expect(failure(() => adapter.collection('users:old')).message).to.include('overlap')
  })

  it('reads hashes and strings of JSON under a prefix, and nothing else', async () => {
    const adapter = freshAdapter(client, { prefix: `${prefix}a*[b]?\\` })
    const base = `${prefix}a*[b]?\\users:`
    adapter.collection('users', { fields: { n: 'number' } })
    await client.hSet(`${base}1`, { n: '5', _id: 'not this', name: 'x' })
    await client.set(`${base}2`, '{"_id":"not this","deep":{"er":[1]}}')
    await client.set(`${base}3`, '[1]')
    await client.set(`${base}4`, 'no JSON')
    await client.lPush(`${base}5`, 'x')
    await client.hSet(`${prefix}aXbX\\users:6`, 'n', '1')
    expect(await readAll(adapter, 'users')).to.deep.equal([
      { _id: '1', n: 5, name: 'x' },
      { _id: '2', deep: { er: [1] } },
    ])
    expect((await adapter.lookup('users', ['2', '3', '5', 'gone', 7])).documents).to.deep.equal([
      { _id: '2', deep: { er: [1] } },
    ])
  })

  it('reads only the keys that are asked for where a query says so by _id, and scans otherwise', async () => {
    const { watched, sent } = watch(client)
    const adapter = redis(watched, { prefix })
    const users = adapter.collection('users', { id: 'number', fields: 'json' })
    for (let id = 0; id < 5; id++) await users.set(id, { odd: id % 2 === 1 })
    const cases: [object, number[], boolean][] = [
      [{ _id: 1 }, [1], false],
      [{ _id: { $eq: 1 }, odd: false }, [], false],
      [{ _id: { $in: [1, 2, 2, 'x', 9] } }, [1, 2], false],
      [{ _id: { $in: [1, 2, 3], $ne: 3 }, odd: true }, [1], false],
      [{ $and: [{ odd: true }, { _id: { $in: [1, 2] } }] }, [1], false],
      [{ _id: { $in: [] } }, [], false],
      [{ _id: { $gt: 3 } }, [4], true],
      [{ _id: { $in: [null, 1] } }, [1], true],
      [{ $or: [{ _id: 1 }, { _id: 2 }] }, [1, 2], true],
      [{ odd: true }, [1, 3], true],
    ]
    for (const [query, ids, scans] of cases) {
      sent.length = 0
      expect(
        (await readAll(adapter, 'users', query)).map(({ _id }) => _id),
        JSON.stringify(query),
      ).to.deep.equal(ids)
      expect(
        sent.some(({ args }) => args.includes(SCAN_SELECTED.sha)),
        JSON.stringify(query),
      ).to.equal(scans)
    }
    expect((await rejection(adapter.read('users', { $where: 'true' }, () => {}))).code).to.equal(
      'INVALID_QUERY',
    )
  })

  it('writes hashes and strings of JSON, only what changed of a hash, and keeps a time to live on an update', async () => {
    const adapter = freshAdapter(client, { prefix })
    const hashes = adapter.collection('h', { fields: { n: 'number' } })
    const strings = adapter.collection('j', { type: 'json' })
    await hashes.set('a', { n: 1, name: 'x' }, { EX: 100 })
    await client.hSet(`${prefix}h:a`, 'binary', Buffer.from([255, 254]))
    await hashes.update('a', { n: 2 })
    expect(await client.ttl(`${prefix}h:a`)).to.be.within(90, 100)
    const raw = await client.sendCommand(['HGET', `${prefix}h:a`, 'binary'], {
      typeMapping: { 36: Buffer } as never,
    })
    expect(raw).to.deep.equal(Buffer.from([255, 254]))
    await hashes.set('a', { name: 'y' })
    expect(await client.hGetAll(`${prefix}h:a`)).to.deep.equal({ name: 'y' })
    expect(await client.ttl(`${prefix}h:a`)).to.equal(-1)
    await hashes.update('a', { name: undefined })
    expect(await readAll(adapter, 'h')).to.deep.equal([{ _id: 'a' }])
    await hashes.set('b', {})
    expect((await adapter.lookup('h', ['b'])).documents).to.deep.equal([{ _id: 'b' }])
    await strings.set('a', { _id: 'a', deep: { list: [], when: new Date(0) } } as never, { PX: 100_000 })
    await strings.update('a', { 'deep.list': [1.5], 'deep.more': null })
    expect(await client.get(`${prefix}j:a`)).to.equal(
      '{"deep":{"list":[1.5],"when":"1970-01-01T00:00:00.000Z","more":null}}',
    )
    expect(await client.pTTL(`${prefix}j:a`)).to.be.within(90_000, 100_000)
    expect(await strings.delete('a')).to.equal(true)
    expect(await strings.delete('a')).to.equal(false)
    expect(await strings.update('a', { x: 1 })).to.equal(false)
    await client.lPush(`${prefix}h:list`, 'x')
    expect(await hashes.delete('list')).to.equal(false)
    expect(await hashes.clear()).to.equal(2)
    expect(await client.lLen(`${prefix}h:list`)).to.equal(1)
    await hashes.set('list', { n: 1 })
    expect((await adapter.lookup('h', ['list'])).documents).to.deep.equal([{ _id: 'list', n: 1 }])
  })

  it('refuses writes that Redis cannot hold, and changes nothing', async () => {
    const users = freshAdapter(client, { prefix }).collection('users')
    await users.set('a', { name: 'x' })
    const refused: [() => Promise<unknown>, string, string][] = [
      [() => users.set('a', { n: 5 }), 'INVALID_OPERATION', "fields: { ...: 'number' }"],
      [() => users.set('a', { _id: 'b' }), 'INVALID_OPERATION', 'another _id'],
      [() => users.set(5, { name: 'x' }), 'INVALID_OPERATION', 'no key for the _id 5'],
      [() => users.set('a', [] as never), 'INVALID_OPERATION', 'object'],
      [() => users.set('a', {}, { EX: 0 }), 'INVALID_OPTION', 'above 0'],
      [() => users.set('a', {}, { EX: 1, PX: 1 }), 'INVALID_OPTION', 'EX: seconds'],
      [() => users.update('a', { name: 5 }), 'INVALID_OPERATION', "'number'"],
      [() => users.update('a', { _id: 'b' }), 'INVALID_OPERATION', '_id'],
      [() => users.update('a', { '__proto__.x': 1 }), 'INVALID_PATH', '__proto__'],
      [() => users.update('a', [{ operation: 'unset', path: '.' }]), 'INVALID_OPERATION', 'delete(id)'],
      [() => users.update('a', 'x' as never), 'INVALID_OPERATION', 'list of operations'],
    ]
    for (const [write, code, sentence] of refused) {
      const error = await rejection(write())
      expect(error.code, error.message).to.equal(code)
      expect(error.message).to.include(sentence)
    }
    expect(await client.hGetAll(`${prefix}users:a`)).to.deep.equal({ name: 'x' })
    expect(await client.xLen(`${prefix}changes`)).to.equal(1)
  })

  it('writes big hashes whole', async () => {
    const adapter = freshAdapter(client, { prefix })
    const users = adapter.collection('users')
    const fields: Document = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => [`f${index}`, `v${index}`]),
    )
    await users.set('big', fields)
    await users.update('big', { f1: 'changed', f2: undefined })
    const { f2: _, ...rest } = { ...fields, f1: 'changed' } as Document
    expect((await adapter.lookup('users', ['big'])).documents).to.deep.equal([{ _id: 'big', ...rest }])
    const entries = await client.xRange(`${prefix}changes`, '-', '+')
    expect(entries?.at(-1)?.message).to.have.all.keys('key', 'kind', 'operations')
  })
})
