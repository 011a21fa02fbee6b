import { expect } from 'chai'
import mysql from 'mysql2'
import promises from 'mysql2/promise'
import { mariadb } from '../../../lib/source/mariadb/index.ts'
import { onConnection } from '../../../lib/source/mariadb/pool.ts'
import { failure } from '../../support/failure.ts'

const OPTIONS = { host: '127.0.0.1', port: 1, database: 'app' }

describe('source/mariadb/pool', () => {
  it('takes a pool of mysql2 and of mysql2/promise, and gives one adapter for both forms', async () => {
    const pool = mysql.createPool(OPTIONS)
    const other = promises.createPool(OPTIONS)
    const adapter = mariadb(pool)
    expect(adapter.name).to.equal('mariadb')
    expect(adapter.store).to.equal('app')
    expect(mariadb(pool.promise())).to.equal(adapter)
    expect(mariadb(other)).not.to.equal(adapter)
    await pool.promise().end()
    await other.end()
  })

  it('says what to pass instead of a common wrong argument', async () => {
    const connection = mysql.createConnection(OPTIONS).on('error', () => {})
    const cluster = mysql.createPoolCluster()
    const ended = mysql.createPool(OPTIONS)
    await ended.promise().end()
    const wrong: [given: unknown, words: string][] = [
      [undefined, 'this is undefined'],
      ['mysql://localhost/app', 'this is a string'],
      [mysql, 'the package itself'],
      [promises, 'the package itself'],
      [connection, 'a single connection'],
      [cluster, 'a pool cluster'],
      [ended, 'was ended already'],
      [{ $client: {} }, 'drizzle'],
      [{ $connect() {} }, 'prisma'],
      [{ activeConnections() {}, taskQueueSize() {}, getConnection() {} }, 'the package mariadb'],
      [{ config: {}, getConnection() {} }, 'the package mysql'],
    ]
    for (const [given, words] of wrong) {
      const { code, message } = failure(() => mariadb(given as never))
      expect(code, words).to.equal('INVALID_OPTION')
      expect(message).to.include('takes a pool of the mysql2 package').and.include(words)
    }
    connection.destroy()
    cluster.end()
  })

  it('gives a connection back after its task, and ends one that fails or does not answer', async () => {
    const done: string[] = []
    const connection = { release: () => done.push('released'), destroy: () => done.push('destroyed') }
    const pool = { promise: () => ({ getConnection: async () => connection }) } as unknown as mysql.Pool
    const failed = (task: () => Promise<unknown>) =>
      onConnection(pool, task, 20).then(
        () => 'none',
        ({ message }: Error) => message,
      )
    expect(await onConnection(pool, async () => 5)).to.equal(5)
    expect(await failed(() => Promise.reject(new Error('no')))).to.equal('no')
    expect(await failed(() => new Promise(() => {}))).to.include('does not answer')
    expect(done).to.deep.equal(['released', 'destroyed', 'destroyed'])
  })

  it('refuses unknown options and a check interval that is no time', () => {
    const pool = mysql.createPool(OPTIONS)
    for (const options of [{ interval: 1 }, { checkInterval: 0 }, { checkInterval: Number.NaN }])
      expect(failure(() => mariadb(pool, options as never)).code).to.equal('INVALID_OPTION')
    expect(failure(() => mariadb(pool).collection('users', { json: 'doc' } as never)).code).to.equal(
      'INVALID_OPTION',
    )
    pool.end()
  })
})
