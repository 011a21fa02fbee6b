import { expect } from 'chai'
import fc from 'fast-check'
import { formatTableName, parseTableName, quote, quoteTable } from '../../../lib/source/mariadb/name.ts'
import { failure } from '../../support/failure.ts'

describe('source/mariadb/name', () => {
  it("reads names of the pool's database and of others, quoted or not", () => {
    expect(parseTableName('users', 'app')).to.deep.equal({ database: 'app', name: 'users' })
    expect(parseTableName('shop.Users', 'app')).to.deep.equal({ database: 'shop', name: 'Users' })
    expect(parseTableName('`a.b`.`c``d`', undefined)).to.deep.equal({ database: 'a.b', name: 'c`d' })
    expect(parseTableName('it"s', 'app')).to.deep.equal({ database: 'app', name: 'it"s' })
  })

  it('writes each name in one way, which reads as the same', () => {
    const name = fc
      .string({ unit: 'binary', minLength: 1 })
      .filter((text) => !text.includes('\0') && !/\s$/.test(text))
    fc.assert(
      fc.property(fc.oneof(name, fc.constant('app')), name, (database, table) => {
        const text = formatTableName({ database, name: table }, 'app')
        expect(parseTableName(text, 'app')).to.deep.equal({ database, name: table })
      }),
    )
    expect(formatTableName(parseTableName('app.users', 'app'), 'app')).to.equal('users')
    expect(formatTableName(parseTableName('`shop`.`users`', 'app'), 'app')).to.equal('shop.users')
  })

  it('asks for the database where neither the name nor the pool has one', () => {
    const { code, message } = failure(() => parseTableName('users', undefined))
    expect(code).to.equal('INVALID_OPTION')
    expect(message).to.include("give the pool the option 'database'").and.include("'database.users'")
  })

  it('refuses a text that is no name, and a U+0000 in SQL', () => {
    for (const text of ['', '.', 'a.', 'a.b.c', '`a', 'a`b', '`a`b', 'a\0', 'users ', 'a .b', 'a'.repeat(65)])
      expect(failure(() => parseTableName(text, 'app')).code, text).to.equal('INVALID_OPTION')
    expect(failure(() => quote('a\0b')).code).to.equal('INVALID_OPTION')
    expect(quoteTable({ database: 'app', name: 'a`; DROP TABLE users; --' })).to.equal(
      '`app`.`a``; DROP TABLE users; --`',
    )
  })
})
