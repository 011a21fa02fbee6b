import { expect } from 'chai'
import { cascades, fits, type RowChange, translateRow } from '../../../lib/source/mariadb/change.ts'
import type { Parent, Table } from '../../../lib/source/mariadb/table.ts'

const TABLE: Table = {
  database: 'app',
  name: 'users',
  collection: 'users',
  options: {},
  columns: [
    { name: 'id', type: { kind: 'integer' } },
    { name: 'name', type: { kind: 'text', charset: 'latin1', collation: 'latin1_swedish_ci' } },
    { name: 'data', type: { kind: 'json', charset: 'utf8mb4', collation: 'utf8mb4_bin' } },
  ],
  logged: [
    { name: 'id', codes: [3] },
    { name: 'name', codes: [15, 253] },
    { name: 'data', codes: [252] },
    { name: 'place', codes: [255] },
  ],
  key: ['id'],
  parents: [],
}
const CONTEXT = {
  timestamp: '2024-05-06T07:08:09.000Z',
  transaction: 't1',
  position: (index: number) => `p.${index}`,
}
const COMMON = { timestamp: CONTEXT.timestamp, transaction: 't1', collection: 'users' }
const row = (id: number, name: string | null = 'ada', data = '{"a":1,"b":[1]}') => ({
  id,
  name,
  data,
  place: { x: 1 } as never,
})
const document = (id: number, name: string | null = 'ada', data = { a: 1, b: [1] }) => ({
  _id: id,
  id,
  name,
  data,
})
const translated = (change: RowChange, table = TABLE) => translateRow(table, change, CONTEXT)

describe('source/mariadb/change', () => {
  it('translates an insert to a set of the document', () => {
    expect(translated({ kind: 'insert', after: row(1) })).to.deep.equal([
      {
        ...COMMON,
        kind: 'insert',
        position: 'p.1',
        id: 1,
        operations: [{ operation: 'set', path: '.', data: document(1) }],
        document: document(1),
      },
    ])
  })

  it('translates a delete to an unset, with the document before it', () => {
    expect(translated({ kind: 'delete', before: row(1) })).to.deep.equal([
      {
        ...COMMON,
        kind: 'delete',
        position: 'p.0',
        id: 1,
        operations: [{ operation: 'unset', path: '.' }],
        before: document(1),
      },
    ])
  })

  it('translates an update to the difference, also within JSON', () => {
    const change = { kind: 'update' as const, before: row(1), after: row(1, 'ada', '{"a":2,"b":[1]}') }
    expect(translated(change)).to.deep.equal([
      {
        ...COMMON,
        kind: 'update',
        position: 'p.0',
        id: 1,
        operations: [{ operation: 'set', path: 'data.a', data: 2 }],
        before: document(1),
        document: document(1, 'ada', { a: 2, b: [1] }),
      },
    ])
  })

  it('shares the values that an update left alone', () => {
    const [change] = translated({ kind: 'update', before: row(1), after: row(1, 'bob') })
    if (change?.kind !== 'update') throw new Error('There is no update')
    expect(change.document?.data).to.equal(change.before?.data)
  })

  it('says nothing of an update without a difference, as of another text of the same JSON', () => {
    expect(translated({ kind: 'update', before: row(1), after: row(1) })).to.deep.equal([])
    const spaced = row(1, 'ada', '{ "b": [1], "a": 1.0 }')
    expect(translated({ kind: 'update', before: row(1), after: spaced })).to.deep.equal([])
  })

  it('translates an update of all fields to a replacement', () => {
    const table = {
      ...TABLE,
      columns: [{ name: '_id', type: { kind: 'integer' as const } }, ...TABLE.columns.slice(1)],
      key: ['_id'],
    }
    const [before, after] = [
      { ...row(1), _id: 1 },
      { ...row(1, null, '[]'), _id: 1 },
    ]
    const [change] = translated({ kind: 'update', before, after }, table)
    expect(change).to.deep.include({
      kind: 'replace',
      operations: [{ operation: 'set', path: '.', data: { _id: 1, name: null, data: [] } }],
      before: { _id: 1, name: 'ada', data: { a: 1, b: [1] } },
    })
  })

  it('translates a new key to a delete and an insert, at two positions', () => {
    const changes = translated({ kind: 'update', before: row(1), after: row(2) })
    expect(changes.map(({ kind, position }) => [kind, position])).to.deep.equal([
      ['delete', 'p.0'],
      ['insert', 'p.1'],
    ])
  })

  it('reloads the table where the decoding of the log lost a character, before or after the change', () => {
    const reload = [{ ...COMMON, kind: 'reload', position: 'p.0' }]
    expect(translated({ kind: 'insert', after: row(1, 'a\ufffd') })).to.deep.equal(reload)
    expect(translated({ kind: 'update', before: row(1, 'a\ufffd'), after: row(1) })).to.deep.equal(reload)
    expect(translated({ kind: 'insert', after: { ...row(1), name: Buffer.from('a') } })).to.deep.equal(reload)
    const unicode = {
      ...TABLE,
      columns: TABLE.columns.map((one) => ({ ...one, type: { ...one.type, charset: 'utf8mb4' } })),
    }
    expect(
      translated({ kind: 'insert', after: row(1, 'a\ufffd') }, unicode).map(({ kind }) => kind),
    ).to.deep.equal(['insert'])
  })

  it('takes the object of a column for the document', () => {
    const table = { ...TABLE, options: { document: 'data' } }
    const [insert] = translated({ kind: 'insert', after: row(1, 'ada', '{"a":1,"_id":7}') }, table)
    expect(insert).to.deep.include({ document: { _id: 1, a: 1 } })
    expect(translated({ kind: 'update', before: row(1), after: row(1, 'bob') }, table)).to.deep.equal([])
  })

  it('gives a key of several columns as an object', () => {
    const table = { ...TABLE, key: ['name', 'id'] }
    const [insert] = translated({ kind: 'insert', after: row(1) }, table)
    expect(insert).to.deep.include({ id: { name: 'ada', id: 1 } })
  })

  describe('fits', () => {
    const names = ['id', 'name', 'data', 'place']
    const typeCodes = [3, 15, 252, 255]

    it('takes rows in the order and with the types of the definition', () => {
      expect(fits(TABLE, { names, typeCodes })).to.equal(true)
      expect(fits(TABLE, { names, typeCodes, key: ['id'] })).to.equal(true)
    })

    for (const [what, layout] of Object.entries({
      'without names': { names: undefined, typeCodes },
      'with fewer columns': { names: names.slice(1), typeCodes: typeCodes.slice(1) },
      'with another name': { names: ['id', 'first', 'data', 'place'], typeCodes },
      'in another order': { names: ['name', 'id', 'data', 'place'], typeCodes: [15, 3, 252, 255] },
      'with another type': { names, typeCodes: [8, 15, 252, 255] },
      'with another key': { names, typeCodes, key: ['name'] },
    }))
      it(`refuses rows ${what}`, () => {
        expect(fits(TABLE, layout)).to.equal(false)
      })
  })

  describe('cascades', () => {
    const parent: Parent = { database: 'app', name: 'teams', onDelete: true, onUpdate: ['id', 'code'] }
    const before = { id: 1, code: Buffer.from('a'), seen: 1 }

    it('says which changes of a parent change the rows of its children', () => {
      expect(cascades(parent, { kind: 'insert', after: before })).to.equal(false)
      expect(cascades(parent, { kind: 'delete', before })).to.equal(true)
      expect(cascades({ ...parent, onDelete: false }, { kind: 'delete', before })).to.equal(false)
    })

    it('finds a column whose name the foreign key has in another case, and takes a missing one for changed', () => {
      const change = (names: string[], id: number) =>
        cascades({ ...parent, onUpdate: names }, { kind: 'update', before, after: { ...before, id } })
      expect(change(['ID'], 2)).to.equal(true)
      expect(change(['ID'], 1)).to.equal(false)
      expect(change(['other'], 1)).to.equal(true)
    })

    it('needs a change of a column that the foreign key names', () => {
      const update = (after: object) =>
        cascades(parent, { kind: 'update', before, after: { ...before, ...after } })
      expect(update({ seen: 2, code: Buffer.from('a') })).to.equal(false)
      expect(update({ id: 2 })).to.equal(true)
      expect(update({ code: Buffer.from('b') })).to.equal(true)
    })
  })
})
