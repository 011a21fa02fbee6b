import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import particle from '../../lib/index.ts'
import { describeGiven } from '../../lib/model/given.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import { postgres } from '../../lib/source/postgres/index.ts'
import { redis } from '../../lib/source/redis/index.ts'
import { failure } from '../support/failure.ts'

const noop = () => {}
const client = new MongoClient('mongodb://localhost')
/** What libraries that are not installed here look like, as their current versions do. */
const mongooseConnection = { readyState: 1, models: {}, db: client.db('shop'), client, collection: noop }
const mongooseModel = Object.assign(noop.bind(null), {
  modelName: 'User',
  db: mongooseConnection,
  collection: {},
})
const mongoose = { connection: mongooseConnection, model: noop, connect: noop }
const ioredis = { duplicate: noop, sendCommand: noop, psubscribe: noop, call: noop, status: 'ready' }
const source = (collection: unknown) =>
  new particle.Server({ dataSources: { users: { collection: collection as never, manifest: true } } })

describe('What is given in place of another thing', () => {
  it('is told by what it is', () => {
    expect(describeGiven(undefined)).to.equal('this is undefined')
    expect(describeGiven('mongodb://localhost')).to.equal('this is a string')
    expect(describeGiven({})).to.equal('this is another object')
    expect(describeGiven(Object.create(null))).to.equal('this is another object')
    expect(describeGiven(new Map())).to.equal('this is an object of Map')
    expect(describeGiven(() => 1)).to.equal('this is a function')
    expect(describeGiven(Promise.resolve())).to.equal('this is a promise: await it first')
  })

  const wrong: [string, (given: never) => unknown, unknown, RegExp][] = [
    ['a connection of mongoose', mongo, mongooseConnection, /connection of mongoose: .*connection\.db/],
    ['a connection of mongoose that is not open', mongo, { readyState: 0, models: {} }, /connection\.db/],
    [
      'its database before it is connected',
      mongo,
      undefined,
      /undefined; mongoose\.connection\.db is there only once/,
    ],
    ['mongoose itself', mongo, mongoose, /mongoose itself: give mongoose\.connection\.db/],
    ['a model', mongo, mongooseModel, /a model of mongoose: .*mongo\(database\)\.collection\('users'\)/],
    ['a MongoClient', mongo, client, /a MongoClient: .*client\.db\('name'\)/],
    ['a collection', mongo, client.db('shop').collection('users'), /a collection: give its database/],
    ['a promise of a client', mongo, Promise.resolve(client), /a promise: await it first/],
    ['an address', mongo, 'mongodb://localhost', /a string/],
    ['a client of ioredis', redis, ioredis, /a client of ioredis: .*createClient/],
    ['a cluster', redis, createCluster({ rootNodes: [] }), /a cluster/],
    ['a sentinel', redis, createSentinel({ name: 'x', sentinelRootNodes: [] }), /a sentinel/],
    ['a pool of clients', redis, createClientPool(), /a pool of clients/],
    ['a promise of a client', redis, Promise.resolve(createClient()), /a promise: await it first/],
    ['the package', redis, { createClient }, /the package itself: give await createClient\(\)\.connect\(\)/],
    ['a single client', postgres, new pg.Client(), /a single Client: give a Pool, new pg\.Pool/],
    ['the package', postgres, pg, /the package itself: give new pg\.Pool/],
    ['a database of drizzle', postgres, { $client: new pg.Pool(), select: noop }, /drizzle: .*db\.\$client/],
    ['a client of prisma', postgres, { $connect: noop }, /prisma: .*new pg\.Pool/],
    ['knex', postgres, Object.assign(noop.bind(null), { raw: noop, schema: {} }), /knex: .*new pg\.Pool/],
    [
      'postgres.js',
      postgres,
      Object.assign(noop.bind(null), { unsafe: noop, begin: noop }),
      /postgres\.js: .*new pg\.Pool/,
    ],
    ['an address', postgres, 'postgres://localhost', /a string/],
    ['an adapter', source, memory(), /the adapter itself: .*adapter\.collection\('users'\)/],
    [
      'a collection of the driver',
      source,
      client.db('shop').collection('users'),
      /mongo\(client\.db\('name'\)\)\.collection/,
    ],
    ['a model', source, mongooseModel, /mongo\(mongoose\.connection\.db\)\.collection/],
    ['a name', source, 'users', /a string/],
    [
      'a promise of a collection',
      source,
      Promise.resolve(memory().collection('users')),
      /a promise: await it first/,
    ],
  ]
  for (const [what, make, given, message] of wrong) {
    const where = make === source ? 'a source' : `${make.name}()`
    it(`is refused at construction by ${where} where it is ${what}`, () => {
      const error = failure(() => make(given as never))
      expect(error.code).to.equal('INVALID_OPTION')
      expect(error.message).to.match(message)
    })
  }

  it('is refused where it is a pool that was ended', async () => {
    const pool = new pg.Pool()
    await pool.end()
    expect(failure(() => postgres(pool)).message).to.include('ended already')
  })

  it('is taken where it is right', () => {
    expect(mongo(client.db('shop')).store).to.equal('shop')
    expect(mongo(mongooseConnection.db)).to.equal(mongo(client.db('shop')))
    expect(redis(createClient()).name).to.equal('redis')
    expect(postgres(new pg.Pool()).name).to.equal('postgres')
  })
})
