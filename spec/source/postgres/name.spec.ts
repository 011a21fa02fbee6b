import { expect } from 'chai'
import fc from 'fast-check'
import { formatTableName, parseTableName, quote } from '../../../lib/source/postgres/name.ts'
import { failure } from '../../support/failure.ts'

describe('source/postgres/name', () => {
  it('reads names of the schema public and of others, quoted or not', () => {
    expect(parseTableName('users')).to.deep.equal({ schema: 'public', name: 'users' })
    expect(parseTableName('app.Users')).to.deep.equal({ schema: 'app', name: 'Users' })
    expect(parseTableName('"a.b"."c""d"')).to.deep.equal({ schema: 'a.b', name: 'c"d' })
    expect(parseTableName("it's")).to.deep.equal({ schema: 'public', name: "it's" })
  })

  it('writes each name in one way, which reads as the same', () => {
    const name = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(fc.oneof(name, fc.constant('public')), name, (schema, table) => {
        expect(parseTableName(formatTableName({ schema, name: table }))).to.deep.equal({
          schema,
          name: table,
        })
      }),
    )
    expect(formatTableName(parseTableName('public.users'))).to.equal('users')
    expect(formatTableName(parseTableName('"app"."users"'))).to.equal('app.users')
  })

  it('refuses what is no name, and a U+0000 in SQL', () => {
    for (const text of ['', '.', 'a.', 'a.b.c', '"a', 'a"b', '"a"b', 'a\0'])
      expect(failure(() => parseTableName(text)).code, text).to.equal('INVALID_OPTION')
    expect(failure(() => quote('a\0b')).code).to.equal('INVALID_OPTION')
    expect(quote('a"; DROP TABLE users; --')).to.equal('"a""; DROP TABLE users; --"')
  })
})
