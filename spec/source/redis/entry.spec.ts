import { expect } from 'chai'
import { translate } from '../../../lib/source/redis/entry.ts'
import { Mapping } from '../../../lib/source/redis/mapping.ts'

describe('source/redis/entry', () => {
  const mappings = [
    new Mapping('users', 'app:', { fields: { visits: 'number' } }),
    new Mapping('teams', 'app:', { prefix: 't/', id: 'number' }),
  ]
  const read = (fields: Record<string, string>) =>
    translate(['1764000000000-3', Object.entries(fields).flat()], mappings)
  const common = { position: '1764000000000-3', timestamp: '2025-11-24T16:00:00.000Z' }

  it('tells which document of which collection an entry is about', () => {
    const deleted = { kind: 'delete', operations: [{ operation: 'unset', path: '.' }] }
    expect(read({ key: 'app:users:a:b', kind: 'delete' })?.change).to.deep.equal({
      ...common,
      ...deleted,
      collection: 'users',
      id: 'a:b',
    })
    expect(read({ key: 'app:t/5', kind: 'delete' })?.change).to.deep.equal({
      ...common,
      ...deleted,
      collection: 'teams',
      id: 5,
    })
    for (const key of ['app:t/05', 'app:t/x', 'users:a', 'app:users', ''])
      expect(read({ key, kind: 'delete' })).to.equal(undefined)
    expect(read({ particle: 'start' })).to.equal(undefined)
  })

  it('takes whole documents, changes of fields, and transactions', () => {
    const key = 'app:users:a'
    const whole = { _id: 'a', visits: 5 }
    expect(
      read({ key, document: '{"visits":5,"_id":"b"}', kind: 'insert', transaction: 'x' })?.change,
    ).to.deep.include({
      kind: 'insert',
      operations: [{ operation: 'set', path: '.', data: whole }],
      document: whole,
      transaction: 'x',
    })
    expect(read({ key, document: '{"visits":5}', kind: 'whatever' })?.change.kind).to.equal('replace')
    expect(
      read({ key, hash: '{"visits":"5","name":null}', document: '{"visits":5}' })?.change,
    ).to.deep.include({
      kind: 'update',
      operations: [
        { operation: 'set', path: 'visits', keys: ['visits'], data: 5 },
        { operation: 'unset', path: 'name', keys: ['name'] },
      ],
      document: whole,
    })
    const operations = [{ operation: 'set', path: 'tags.0', keys: ['tags', 0], data: 1 }]
    expect(read({ key, operations: JSON.stringify(operations) })?.change).to.deep.include({
      kind: 'update',
      operations,
    })
  })

  it('takes what was there before a change, in either form, but not before an insert', () => {
    const key = 'app:users:a'
    const before = { _id: 'a', visits: 4, name: 'x' }
    const forms = [
      { before: '{"visits":4,"name":"x"}' },
      { beforeHash: '{"visits":"4","name":"x","_id":"b"}' },
    ]
    for (const form of forms) {
      expect(read({ key, kind: 'delete', ...form })?.change).to.deep.include({ kind: 'delete', before })
      expect(read({ key, hash: '{"visits":"5"}', ...form })?.change).to.deep.include({
        kind: 'update',
        before,
      })
      expect(read({ key, document: '{}', kind: 'insert', ...form })?.change).not.to.have.property('before')
    }
    for (const form of [
      { before: '5' },
      { before: '{' },
      { beforeHash: '{"visits":4}' },
      { beforeHash: '[]' },
    ])
      expect(read({ key, kind: 'delete', ...form })?.change).not.to.have.property('before')
  })

  it('has the key read again where it does not understand what happened to it', () => {
    const key = 'app:users:a'
    for (const fields of [
      {},
      { kind: 'update' },
      { kind: 'exploded' },
      { document: '[]' },
      { document: '{' },
      { hash: '{"a.b":"1"}' },
      { hash: '{"":"1"}' },
      { hash: '{"__proto__":"1"}' },
      { hash: '{"visits":5}' },
      { hash: '{"_id":"b"}' },
      { hash: 'null' },
      { operations: '{}' },
      { operations: '[{"operation":"inc","path":"visits","data":1}]' },
      { operations: '[{"operation":"set","path":"visits"}]' },
      { operations: '[{"operation":"unset","path":"."}]' },
      { operations: '[{"operation":"unset","path":"a","keys":[null]}]' },
    ]) {
      const translation = read({ key, ...fields })
      expect(translation, JSON.stringify(fields)).to.deep.include({ key })
      expect(translation?.change).to.deep.include({ collection: 'users', id: 'a', operations: [] })
    }
  })

  it('clears and reloads what lies under a prefix', () => {
    expect(read({ prefix: 'app:users:', kind: 'clear' })?.change).to.deep.equal({
      ...common,
      kind: 'clear',
      collection: 'users',
    })
    expect(read({ prefix: 'app:t/', kind: 'anything' })?.change).to.deep.equal({
      ...common,
      kind: 'reload',
      collection: 'teams',
    })
    expect(read({ prefix: 'app:', kind: 'clear' })).to.equal(undefined)
  })
})
