import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import { createClient } from 'redis'
import particle from '../../lib/index.ts'
import { notKnown, refuseUnknown } from '../../lib/model/unknown.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { MongoWatch, mongo } from '../../lib/source/mongo/index.ts'
import { postgres } from '../../lib/source/postgres/index.ts'
import { redis } from '../../lib/source/redis/index.ts'
import { failure } from '../support/failure.ts'

describe('A name that is not known', () => {
  it('is told with the known one that is near it, or with all that are known', () => {
    expect(notKnown('$inn', ['$in', '$eq'])).to.equal('"$inn" is not known; "$in" was perhaps meant')
    expect(notKnown('port', ['url', 'path'])).to.equal('"port" is not known; known are url, path')
    expect(notKnown(undefined, ['url'])).to.equal('"undefined" is not known; known are url')
    expect(notKnown('x'.repeat(5000), ['url'])).to.have.length.below(200)
  })

  it('is refused among options, as what are no options at all', () => {
    refuseUnknown('option', { url: undefined }, ['url'])
    const wrong: unknown[] = [{ urls: 1 }, null, [], 'url', 5]
    for (const value of wrong) {
      expect(failure(() => refuseUnknown('option', value, ['url'])).code).to.equal('INVALID_OPTION')
    }
  })

  const collection = memory().collection('users')
  const db = new MongoClient('mongodb://localhost').db('test')
  const pool = new pg.Pool()
  const options: [string, (wrong: object) => unknown, object, string][] = [
    ['a server', (wrong) => new particle.Server(wrong as never), { dataSource: {} }, 'dataSources'],
    [
      'middleware',
      (wrong) => particle.middleware(wrong as never),
      { dataSources: {}, onEror() {} },
      'onError',
    ],
    [
      'a source',
      (wrong) => new particle.Server({ dataSources: { users: wrong as never } }),
      { collection, manifest: true, critera: {} },
      'criteria',
    ],
    ['memory()', (wrong) => memory(wrong), { histroy: 5 }, 'history'],
    ['mongo()', (wrong) => mongo(db, wrong), { pipelines: [] }, 'pipeline'],
    ['MongoWatch', (wrong) => new MongoWatch(wrong), { formats: 'raw' }, 'format'],
    ['a format of MongoWatch', (wrong) => new MongoWatch(wrong), { format: 'norml' }, 'normal'],
    ['redis()', (wrong) => redis(createClient(), wrong), { steam: 'changes' }, 'stream'],
    [
      'a collection of redis()',
      (wrong) => redis(createClient()).collection('u', wrong),
      { feilds: {} },
      'fields',
    ],
    ['a codec of it', (wrong) => redis(createClient()).collection('u', wrong), { id: 'nubmer' }, 'number'],
    ['postgres()', (wrong) => postgres(pool, wrong), { publicaton: 'p' }, 'publication'],
    ['changes of it', (wrong) => postgres(pool, wrong), { changes: 'trigger' }, 'triggers'],
    ['a table of it', (wrong) => postgres(pool).collection('t', wrong), { documnet: 'd' }, 'document'],
  ]
  for (const [what, make, wrong, meant] of options) {
    it(`is refused at construction by ${what}, which suggests ${meant}`, () => {
      const { code, message } = failure(() => make(wrong))
      expect(code).to.equal('INVALID_OPTION')
      expect(message).to.include(`"${meant}" was perhaps meant`)
    })
  }
})
