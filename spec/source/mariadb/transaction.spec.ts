import { expect } from 'chai'
import type { LogEvent } from '../../../lib/source/mariadb/log-event.ts'
import { type Transaction, Transactions } from '../../../lib/source/mariadb/transaction.ts'

type Event = LogEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'end' | 'index' | 'time'>
    : never
  : never

const ROWS: Event = {
  kind: 'rows',
  table: { database: 'app', name: 'users' },
  names: ['id'],
  typeCodes: [3],
  key: ['id'],
  isWhole: true,
  changes: [{ kind: 'insert', after: { id: 1 } }],
}
const begin = (isStandalone = false, xid?: string): Event => ({ kind: 'begin', isStandalone, xid })
const statement = (text: string): Event => ({ kind: 'statement', home: 'app', text })

/** Sends events of ten bytes each, from the offset 4 on. */
function read(transactions: Transactions, ...events: Event[]): Transaction[] {
  let end = transactions.at
  return events.flatMap((event, index) => {
    end += 10
    return transactions.add({ ...event, end, index, time: 1000 * index }) ?? []
  })
}

function started(): Transactions {
  const transactions = new Transactions()
  transactions.begin(4)
  return transactions
}

const kindsOf = (found: readonly Transaction[]) => found.map(({ parts }) => parts.map(({ kind }) => kind))

describe('source/mariadb/transaction', () => {
  it('joins the events up to a commit, from the end of the event before to the end of the commit', () => {
    const found = read(
      started(),
      { kind: 'reached' },
      begin(),
      ROWS,
      ROWS,
      { kind: 'commit' },
      { kind: 'reached' },
    )
    expect(found).to.have.length(1)
    expect(found[0]).to.include({ at: 14, end: 54, time: 4000 })
    expect(kindsOf(found)).to.deep.equal([['rows', 'rows']])
  })

  it('takes a statement of its own for a whole transaction, and one in a transaction for a part', () => {
    const found = read(
      started(),
      begin(true),
      statement('DROP TABLE users'),
      begin(),
      statement('CREATE TABLE x (id INT)'),
      ROWS,
      { kind: 'commit' },
    )
    expect(kindsOf(found)).to.deep.equal([['statement'], ['statement', 'rows']])
  })

  it('drops what was rolled back, and reports what was rolled back in part', () => {
    const found = read(
      started(),
      begin(),
      ROWS,
      statement('ROLLBACK'),
      begin(),
      ROWS,
      statement('SAVEPOINT s'),
      statement('ROLLBACK TO s'),
      statement('COMMIT'),
    )
    expect(kindsOf(found)).to.deep.equal([['rows', 'rollback to']])
  })

  it('drops a part of a transaction at the end of a file, which a killed server leaves', () => {
    const transactions = started()
    expect(read(transactions, begin(), ROWS)).to.deep.equal([])
    expect(transactions.isOpen).to.equal(true)
    transactions.begin(4)
    expect(transactions.isOpen).to.equal(false)
    expect(kindsOf(read(transactions, begin(), ROWS, ROWS, { kind: 'commit' }))).to.deep.equal([
      ['rows', 'rows'],
    ])
  })

  it('keeps the rows of a prepared transaction until it commits, over a new dump too', () => {
    const transactions = started()
    expect(read(transactions, begin(false, 'a'), ROWS, statement('XA END a'), { kind: 'prepared' })).to.be
      .empty
    transactions.begin(100)
    const found = read(transactions, begin(true, 'a'), statement('XA COMMIT a'))
    expect(found[0]).to.include({ at: 100, end: 120 })
    expect(kindsOf(found)).to.deep.equal([['rows']])
    // A second transaction of the same name is another one.
    expect(kindsOf(read(transactions, begin(true, 'a'), statement('XA COMMIT a')))).to.deep.equal([
      ['unknown'],
    ])
  })

  it('drops a prepared transaction that is rolled back, and reports one that it did not see as unknown', () => {
    const transactions = started()
    read(transactions, begin(false, 'a'), ROWS, { kind: 'prepared' })
    expect(read(transactions, begin(true, 'a'), statement('XA ROLLBACK a'))).to.be.empty
    expect(transactions.isOpen).to.equal(false)
    expect(kindsOf(read(transactions, begin(true, 'a'), statement('XA COMMIT a')))).to.deep.equal([
      ['unknown'],
    ])
  })

  it('takes a transaction that was prepared, or is, for unknown once more tables are wanted', () => {
    const transactions = started()
    read(transactions, begin(false, 'a'), ROWS, { kind: 'prepared' }, begin(false, 'b'), ROWS)
    transactions.widen()
    read(transactions, ROWS, { kind: 'prepared' })
    for (const xid of ['a', 'b'])
      expect(kindsOf(read(transactions, begin(true, xid), statement('XA COMMIT')))[0]?.[0]).to.equal(
        'unknown',
      )
  })

  it('reports an event outside of transactions that may be anything', () => {
    expect(kindsOf(read(started(), { kind: 'reached' }, { kind: 'unknown' }))).to.deep.equal([['unknown']])
  })
})
