import { expect } from 'chai'
import { type ChangeStreamDocument, Long, ObjectId, Timestamp, UUID } from 'mongodb'
import { reloads, translate } from '../../../lib/source/mongo/change.ts'

/*
 * The events that the drivers' own tests of change streams expect from servers (the "unified" tests of
 * MongoDB's driver specifications: change-streams, -showExpandedEvents, -disambiguatedPaths, -nsType,
 * -clusterTime, -pre_and_post_images), as input of the translation. The events of a sharded cluster have the
 * shard key in `documentKey`, and events of their own.
 */

const id = new ObjectId('5f0c3a1b2c3d4e5f60718293')
const ns = { db: 'database0', coll: 'collection0' }
const base = { _id: { _data: '82' }, ns, clusterTime: new Timestamp({ t: 1000, i: 1 }) }

const read = (fields: object) =>
  translate({ ...base, ...fields } as unknown as ChangeStreamDocument, { position: (index) => `p${index}` })

/** Describes the changes of an event in short: kind, collection, id and operations. */
const told = (fields: object) =>
  read(fields).changes.map((change) =>
    'operations' in change
      ? [
          change.kind,
          change.collection,
          change.id,
          change.operations.map(({ operation, path }) => `${operation} ${path}`),
        ]
      : [change.kind, change.collection],
  )

const hex = id.toHexString()
const documentKey = { _id: id }
const update = (updateDescription: object, more: object = {}) => ({
  operationType: 'update',
  documentKey,
  updateDescription: {
    updatedFields: {},
    removedFields: [],
    truncatedArrays: [],
    disambiguatedPaths: {},
    ...updateDescription,
  },
  ...more,
})

describe("The drivers' tests of change streams", () => {
  const cases: [title: string, event: object, changes: unknown[]][] = [
    [
      'array truncation',
      update({ truncatedArrays: [{ field: 'array', newSize: 2 }] }),
      [['update', 'collection0', hex, ['truncate array']]],
    ],
    [
      'an array’s new size as an Int64',
      update({ truncatedArrays: [{ field: 'array', newSize: Long.fromNumber(2) }] }),
      [['update', 'collection0', hex, ['truncate array']]],
    ],
    ['an unknown operationType', { operationType: 'addedInFutureMongoDBVersion' }, []],
    [
      'a new field in the event',
      { operationType: 'insert', documentKey, fullDocument: { _id: id, a: 1 }, newField: 'newFieldValue' },
      [['insert', 'collection0', hex, ['set .']]],
    ],
    [
      'a changed structure of ns',
      {
        operationType: 'insert',
        ns: { ...ns, viewOn: 'db.coll' },
        documentKey,
        fullDocument: { _id: id },
      },
      [['insert', 'collection0', hex, ['set .']]],
    ],
    [
      'the target of a rename',
      { operationType: 'rename', to: { db: 'database0', coll: 'collection1' } },
      [
        ['clear', 'collection0'],
        ['reload', 'collection1'],
      ],
    ],
    [
      'a rename that drops its target',
      {
        operationType: 'rename',
        to: { db: 'database0', coll: 'foo' },
        operationDescription: { to: { db: 'database0', coll: 'foo' }, dropTarget: new UUID() },
      },
      [
        ['clear', 'collection0'],
        ['reload', 'foo'],
      ],
    ],
    [
      'collectionUUID, lsid and txnNumber beside a document',
      {
        operationType: 'insert',
        documentKey,
        fullDocument: { _id: id },
        collectionUUID: new UUID(),
        lsid: { id: new UUID() },
        txnNumber: Long.fromNumber(1),
      },
      [['insert', 'collection0', hex, ['set .']]],
    ],
    ...['createIndexes', 'dropIndexes', 'modify', 'create'].map(
      (operationType): [string, object, unknown[]] => [
        `the expanded event ${operationType}`,
        { operationType, operationDescription: { indexes: [{ v: 2, key: { x: 1 }, name: 'x_1' }] } },
        [],
      ],
    ),
    ['nsType collection', { operationType: 'create', nsType: 'collection', operationDescription: {} }, []],
    ...['view', 'timeseries'].map((nsType): [string, object, unknown[]] => [
      `nsType ${nsType}, of which MongoDB reports no changes`,
      { operationType: 'create', nsType, operationDescription: {} },
      [['reload', 'collection0']],
    ]),
    ...['shardCollection', 'reshardCollection', 'refineCollectionShardKey', 'migrateChunkToNewShard'].map(
      (operationType): [string, object, unknown[]] => [
        `the event ${operationType} of a sharded cluster`,
        { operationType, operationDescription: { shardKey: { region: 1 } } },
        [],
      ],
    ),
    [
      'a shard key beside the _id',
      { operationType: 'delete', documentKey: { region: 'eu', _id: id } },
      [['delete', 'collection0', hex, ['unset .']]],
    ],
    [
      'a document that moves to another shard, as a delete and an insert',
      {
        operationType: 'insert',
        documentKey: { region: 'us', _id: id },
        fullDocument: { _id: id, region: 'us' },
      },
      [['insert', 'collection0', hex, ['set .']]],
    ],
    [
      'a path whose numeric name is a field',
      update({ updatedFields: { 'a.1': 2 }, disambiguatedPaths: { 'a.1': ['a', '1'] } }),
      [['update', 'collection0', hex, ['set a.1']]],
    ],
    [
      'a pre-image that has expired',
      update({ updatedFields: { a: 2 } }, { fullDocumentBeforeChange: null }),
      [['update', 'collection0', hex, ['set a']]],
    ],
    ['the end of the stream', { operationType: 'invalidate', ns: undefined }, []],
  ]

  for (const [title, event, changes] of cases)
    it(`are met by the translation: ${title}`, () => {
      expect(told(event)).to.deep.equal(changes)
    })

  it('are met by the translation: numbers in a path are positions in arrays, as the server says', () => {
    const { changes } = read(
      update({ updatedFields: { 'a.0.1': 2 }, disambiguatedPaths: { 'a.0.1': ['a', 0, '1'] } }),
    )
    expect(changes[0]).to.deep.include({
      operations: [{ operation: 'set', path: 'a.0.1', data: 2, keys: ['a', 0, '1'] }],
    })
  })

  it('are met by the translation: without disambiguatedPaths, a nested path is looked up', () => {
    const { needsDocument } = read(update({ updatedFields: { 'a.1': 2 }, disambiguatedPaths: undefined }))
    expect(needsDocument).to.equal(true)
  })

  it('are met by the translation: an event without a collection throws nothing, and reloads nothing', () => {
    const event = {
      ...base,
      operationType: 'insert',
      ns: { viewOn: 'db.coll' },
      documentKey,
      fullDocument: {},
    }
    const options = { position: () => 'p' }
    expect(() => translate(event as unknown as ChangeStreamDocument, options)).not.to.throw()
    expect(() => reloads(event as unknown as ChangeStreamDocument, options)).not.to.throw()
  })
})
