import { expect } from 'chai'
import { type ChangeStreamDocument, ObjectId, Timestamp } from 'mongodb'
import { translate, updateOperations } from '../../../lib/source/mongo/change.ts'

const id = new ObjectId('5f0c3a1b2c3d4e5f60718293')
const wallTime = new Date('2024-05-06T07:08:09.010Z')

function event(fields: object): ChangeStreamDocument {
  const base = {
    _id: { _data: '' },
    ns: { db: 'd', coll: 'users' },
    clusterTime: new Timestamp({ t: 1000, i: 1 }),
    wallTime,
  }
  return { ...base, ...fields } as unknown as ChangeStreamDocument
}

function update(description: object) {
  return event({
    operationType: 'update',
    documentKey: { _id: id },
    updateDescription: { disambiguatedPaths: {}, ...description },
  })
}

function read(value: ChangeStreamDocument, collections: string[] = []) {
  return translate(value, { collections, position: (index) => `p${index}` })
}

const at = { position: 'p0', timestamp: wallTime.toISOString(), collection: 'users' }

describe('translate', () => {
  it('turns an insert and a replace into a set of the document', () => {
    for (const kind of ['insert', 'replace'] as const) {
      const document = { _id: id.toHexString(), a: 1 }
      expect(
        read(event({ operationType: kind, documentKey: { _id: id }, fullDocument: { _id: id, a: 1 } })),
      ).to.deep.equal({
        changes: [
          {
            ...at,
            kind,
            id: id.toHexString(),
            operations: [{ operation: 'set', path: '.', data: document }],
            document,
          },
        ],
        needsDocument: false,
      })
    }
  })

  it('turns a delete into an unset of the document', () => {
    expect(read(event({ operationType: 'delete', documentKey: { _id: id } })).changes).to.deep.equal([
      { ...at, kind: 'delete', id: id.toHexString(), operations: [{ operation: 'unset', path: '.' }] },
    ])
  })

  it('turns an update into truncate, unset and set, in this order, with keys', () => {
    const { changes, needsDocument } = read(
      update({
        updatedFields: { 'list.1.x': id, 'map.0.a': 1 },
        removedFields: ['old'],
        truncatedArrays: [{ field: 'list', newSize: 2 }],
        disambiguatedPaths: { 'map.0.a': ['map', '0', 'a'] },
      }),
    )
    expect(needsDocument).to.equal(false)
    expect(changes).to.deep.equal([
      {
        ...at,
        kind: 'update',
        id: id.toHexString(),
        operations: [
          { operation: 'truncate', path: 'list', data: 2, keys: ['list'] },
          { operation: 'unset', path: 'old', keys: ['old'] },
          { operation: 'set', path: 'list.1.x', data: id.toHexString(), keys: ['list', 1, 'x'] },
          { operation: 'set', path: 'map.0.a', data: 1, keys: ['map', '0', 'a'] },
        ],
      },
    ])
  })

  it('needs the document of an update that the event does not describe', () => {
    const { changes, needsDocument } = read(event({ operationType: 'update', documentKey: { _id: id } }))
    expect(needsDocument).to.equal(true)
    expect(changes).to.have.length(1)
  })

  it('takes the documents before and after a change from its pre-image', () => {
    const before = { _id: id, a: 1, list: [1, 2, 3] }
    const image = { _id: id.toHexString(), a: 1, list: [1, 2, 3] }
    const fields = { documentKey: { _id: id }, fullDocumentBeforeChange: before }
    const updateDescription = {
      updatedFields: { a: 2 },
      truncatedArrays: [{ field: 'list', newSize: 1 }],
      disambiguatedPaths: {},
    }
    expect(read(event({ operationType: 'update', ...fields, updateDescription })).changes[0]).to.deep.include(
      {
        before: image,
        document: { _id: id.toHexString(), a: 2, list: [1] },
      },
    )
    const fullDocument = { _id: id, b: 1 }
    expect(read(event({ operationType: 'replace', ...fields, fullDocument })).changes[0]).to.deep.include({
      before: image,
      document: { _id: id.toHexString(), b: 1 },
    })
    expect(read(event({ operationType: 'delete', ...fields })).changes[0])
      .to.deep.include({ before: image })
      .and.not.have.property('document')
  })

  it('reports of a replacement and of a value set as a whole what differs from the pre-image', () => {
    const fields = {
      documentKey: { _id: id },
      fullDocumentBeforeChange: { _id: id, a: { 0: 1, x: 1 }, list: [{ n: 1 }] },
    }
    const replaced = { _id: id, a: { 0: 2, x: 1 }, list: [{ n: 2 }] }
    const operations = [
      { operation: 'set', path: 'a.0', data: 2, keys: ['a', '0'] },
      { operation: 'set', path: 'list.0.n', data: 2, keys: ['list', 0, 'n'] },
    ]
    expect(
      read(event({ operationType: 'replace', ...fields, fullDocument: replaced })).changes[0],
    ).to.deep.include({ kind: 'update', operations })
    const { a, list } = replaced
    expect(read(event({ ...update({ updatedFields: { a, list } }), ...fields })).changes[0]).to.deep.include({
      kind: 'update',
      operations,
    })
    for (const fullDocument of [{ _id: id, a: { x: 1, 0: 1 }, 'b.c': 1 }, fields.fullDocumentBeforeChange]) {
      const whole = read(event({ operationType: 'replace', ...fields, fullDocument })).changes[0]
      expect(whole).to.have.nested.property('operations[0].path', '.')
      expect(whole).to.include({ kind: 'replace' })
    }
  })

  it('knows neither where there is no pre-image, or one that the change does not fit', () => {
    for (const fullDocumentBeforeChange of [null, undefined]) {
      const [change] = read(
        event({ ...update({ updatedFields: { a: 2 } }), fullDocumentBeforeChange }),
      ).changes
      expect(change).to.not.have.any.keys('before', 'document')
    }
    const fullDocumentBeforeChange = { _id: id, a: 'text' }
    const [change] = read(
      event({ ...update({ updatedFields: { 'a.b': 2 } }), fullDocumentBeforeChange }),
    ).changes
    expect(change).to.not.have.property('document')
  })

  it("takes the manual's own example of disambiguatedPaths", () => {
    const description = {
      updatedFields: { 'residences.0.0': 'x' },
      disambiguatedPaths: { 'residences.0.0': ['residences', 0, '0'] },
    }
    expect(updateOperations(description)).to.deep.equal([
      { operation: 'set', path: 'residences.0.0', data: 'x', keys: ['residences', 0, '0'] },
    ])
    const dotted = { updatedFields: { 'home.town': 'x' }, disambiguatedPaths: { 'home.town': ['home.town'] } }
    expect(updateOperations(dotted)).to.equal(undefined)
  })

  it('takes a numeric name at the top for a field', () => {
    expect(updateOperations({ updatedFields: { '0': 1, '1.2': 3 }, disambiguatedPaths: {} })).to.deep.equal([
      { operation: 'set', path: '0', data: 1, keys: ['0'] },
      { operation: 'set', path: '1.2', data: 3, keys: ['1', 2] },
    ])
  })

  it('asks for the document where the server does not tell names with dots from paths', () => {
    for (const path of ['a.0', 'b.c', 'list.1.x']) {
      expect(updateOperations({ updatedFields: { ok: 1, [path]: 1 } })).to.equal(undefined)
      expect(updateOperations({ removedFields: [path] })).to.equal(undefined)
      expect(updateOperations({ truncatedArrays: [{ field: path, newSize: 1 }] })).to.equal(undefined)
    }
    expect(updateOperations({ updatedFields: { '0': 1, $a: 2 } })).to.deep.equal([
      { operation: 'set', path: '0', data: 1, keys: ['0'] },
      { operation: 'set', path: '$a', data: 2, keys: ['$a'] },
    ])
  })

  for (const field of ['a[0]', 'x.b]', 'a.__proto__', 'constructor', 'prototype.x', 'a..b', '']) {
    it(`asks for the document where a path is ${JSON.stringify(field)}`, () => {
      expect(
        updateOperations({ removedFields: ['ok'], updatedFields: { [field]: 1 }, disambiguatedPaths: {} }),
      ).to.equal(undefined)
      const { changes, needsDocument } = read(update({ updatedFields: { [field]: 1 } }))
      expect(needsDocument).to.equal(true)
      expect(changes).to.have.lengthOf(1)
    })
  }

  it('clears on drop, clears each known collection on dropDatabase', () => {
    expect(read(event({ operationType: 'drop' })).changes).to.deep.equal([{ ...at, kind: 'clear' }])
    const gone = read(event({ operationType: 'dropDatabase', ns: { db: 'd' } }), ['b', 'a'])
    expect(gone.changes).to.deep.equal([
      { ...at, kind: 'clear', collection: 'a' },
      { ...at, kind: 'clear', collection: 'b', position: 'p1' },
    ])
  })

  it('clears the old name and reloads the new one on rename, within the database', () => {
    expect(read(event({ operationType: 'rename', to: { db: 'd', coll: 'people' } })).changes).to.deep.equal([
      { ...at, kind: 'clear' },
      { ...at, kind: 'reload', collection: 'people', position: 'p1' },
    ])
    expect(
      read(event({ operationType: 'rename', to: { db: 'e', coll: 'people' } })).changes,
    ).to.have.lengthOf(1)
  })

  it('finds nothing in events that are not about documents', () => {
    for (const operationType of ['invalidate', 'create', 'createIndexes', 'modify', 'shardCollection']) {
      expect(read(event({ operationType })).changes).to.deep.equal([])
    }
  })

  it('takes the time from the cluster time where there is no wallTime', () => {
    const { changes } = read(event({ operationType: 'drop', wallTime: undefined }))
    expect(changes[0]?.timestamp).to.equal('1970-01-01T00:16:40.000Z')
  })
})
