import { expect } from 'chai'
import { KnownRows } from '../../../lib/source/postgres/known-rows.ts'
import type { Relation } from '../../../lib/source/postgres/pgoutput.ts'

function relation(oid: number): Relation {
  return { oid, schema: 'public', name: `t${oid}`, columns: [], identifying: [], byKey: true }
}

const row = (text: string) => ({ cells: [text], document: { _id: 1, text } })

describe('source/postgres/known-rows', () => {
  it('returns a row as its last change left it, for its table as it was described', () => {
    const rows = new KnownRows()
    const [users, teams] = [relation(1), relation(2)]
    rows.set(users, 'a', row('first'))
    rows.set(users, 'a', row('second'))
    expect(rows.get(users, 'a')?.document.text).to.equal('second')
    expect(rows.get(users, 'b')).to.equal(undefined)
    expect(rows.get(teams, 'a')).to.equal(undefined)
    expect(rows.get(relation(1), 'a')).to.equal(undefined)
  })

  it('forgets a row that is not known whole, and a table with a change that it did not see', () => {
    const rows = new KnownRows()
    const users = relation(1)
    const refill = () => {
      rows.set(users, 'a', row('a'))
      rows.set(users, 'b', row('b'))
    }
    const known = () => ['a', 'b'].filter((key) => rows.get(users, key))
    refill()
    rows.set(users, 'a', undefined)
    expect(known()).to.deep.equal(['b'])
    const changes = [() => rows.set(users, undefined, row('c')), () => rows.forget(users), () => rows.clear()]
    for (const change of changes) {
      refill()
      expect(known()).to.deep.equal(['a', 'b'])
      change()
      expect(known()).to.deep.equal([])
    }
    refill()
    expect(known()).to.deep.equal(['a', 'b'])
  })

  it('forgets the rows of tables that nobody is shown, when it is swept', () => {
    const rows = new KnownRows()
    const [users, teams] = [relation(1), relation(2)]
    rows.set(users, 'a', row('a'))
    rows.set(teams, 'b', row('b'))
    rows.sweep(({ oid }) => oid === 2)
    expect([rows.get(users, 'a'), rows.get(teams, 'b')]).to.deep.equal([undefined, rows.get(teams, 'b')])
    expect(rows.get(teams, 'b')?.document.text).to.equal('b')
    rows.set(users, 'c', row('c'))
    expect(rows.get(users, 'a')).to.equal(undefined)
  })

  it('keeps the rows that changed last, within its bounds', () => {
    const rows = new KnownRows()
    const users = relation(1)
    const long = 'x'.repeat(1000)
    for (let key = 0; key < 3000; key++) rows.set(users, String(key), row(long))
    expect(rows.get(users, '2999')).not.to.equal(undefined)
    expect(rows.get(users, '0')).to.equal(undefined)
    const count = Array.from({ length: 3000 }, (_, key) => rows.get(users, String(key))).filter(
      Boolean,
    ).length
    expect(count).to.be.within(900, 2001)
  })
})
