import { expect } from 'chai'
import { BSONRegExp } from 'mongodb'
import { checkPipeline, checkReported } from '../../../lib/source/mongo/pipeline.ts'
import { failure } from '../../support/failure.ts'

const SHOWN = { $in: ['tasks', 'people'] }

describe('source/mongo/pipeline', () => {
  it('consists of $match stages', () => {
    checkPipeline([])
    checkPipeline([{ $match: { 'ns.coll': SHOWN } }, { $match: {} }, { $changeStreamSplitLargeEvent: {} }])
    for (const [pipeline, found] of [
      [[{ $match: {} }, { $project: { fullDocument: 0 } }], 'has the stage $project'],
      [[{ $match: {}, $unset: 'updateDescription' }], 'has the stage $unset'],
      [{ $match: {} }, 'is no list of stages'],
      ['tasks', 'is no list of stages'],
      [[null], 'is no list of stages'],
      [[{}], 'is no list of stages'],
      [[new Map([['$match', {}]])], 'is no list of stages'],
    ] as const) {
      const { code, message } = failure(() => checkPipeline(pipeline))
      expect([code, message]).to.deep.equal([
        'INVALID_OPTION',
        `mongo(db, options): the pipeline ${found}: give a list of $match stages`,
      ])
    }
  })

  const OPEN: [string, object[]][] = [
    ['no stages', []],
    ['its name', [{ $match: { 'ns.coll': 'tasks' } }]],
    ['a list with its name', [{ $match: { 'ns.coll': SHOWN } }]],
    ['a pattern', [{ $match: { 'ns.coll': /^ta/ } }]],
    ['a $regex', [{ $match: { 'ns.coll': { $regex: '^TA', $options: 'i' } } }]],
    ['the names of others', [{ $match: { 'ns.coll': { $nin: ['logs'] } } }]],
    ['its namespace', [{ $match: { ns: { db: 'app', coll: 'tasks' } } }]],
    [
      'several ways for an event',
      [{ $match: { $or: [{ 'ns.coll': SHOWN }, { 'to.coll': SHOWN }, { operationType: 'dropDatabase' }] } }],
    ],
    ['conditions that hold together', [{ $match: { $and: [{ 'ns.db': 'app' }, { 'ns.coll': SHOWN }] } }]],
    [
      'a field of its documents, for the events that have one',
      [{ $match: { $or: [{ operationType: { $ne: 'insert' } }, { 'fullDocument.team': 'red' }] } }],
    ],
    ['a field that its documents lack', [{ $match: { 'fullDocument.logged': { $exists: false } } }]],
    ['the denial of several conditions', [{ $match: { $nor: [{ 'ns.coll': 'logs' }, { 'a.b': 1 }] } }]],
    ['a pattern of EJSON', [{ $match: { 'ns.coll': { $in: [new BSONRegExp('^ta')] } } }]],
    ['an expression', [{ $match: { $expr: { $eq: ['$ns.coll', 'tasks'] } } }]],
    ['an operator that only MongoDB knows', [{ $match: { 'ns.coll': { $bitsAllSet: 1 } } }]],
    ['a stage that splits large events', [{ $changeStreamSplitLargeEvent: {} }]],
    ['all kinds of changes', [{ $match: { operationType: { $ne: 'dropDatabase' } } }]],
  ]
  for (const [what, pipeline] of OPEN)
    it(`lets a collection through by ${what}`, () => {
      checkPipeline(pipeline)
      checkReported(pipeline, 'app', 'tasks')
    })

  const CLOSED: [string, object[], string][] = [
    ['another name', [{ $match: { 'ns.coll': 'logs' } }], 'all changes'],
    ['a list of others', [{ $match: { 'ns.coll': { $in: ['people'] } } }], 'all changes'],
    ['a list that excludes it', [{ $match: { 'ns.coll': { $nin: ['tasks'] } } }], 'all changes'],
    ['another database', [{ $match: { 'ns.db': 'other' } }], 'all changes'],
    [
      'a second stage',
      [{ $match: { 'ns.coll': SHOWN } }, { $match: { 'ns.coll': 'people' } }],
      'all changes',
    ],
    [
      'all of several ways',
      [{ $match: { $or: [{ 'ns.coll': 'logs' }, { 'to.coll': 'tasks' }, { operationType: 'drop' }] } }],
      'the events insert, update, replace, delete',
    ],
    [
      'the kinds of changes that are most thought of',
      [{ $match: { operationType: { $in: ['insert', 'update', 'delete'] } } }],
      'the events replace, drop, rename',
    ],
    [
      'all kinds of changes of documents',
      [{ $match: { operationType: { $in: ['insert', 'update', 'replace', 'delete'] } } }],
      'the events drop, rename',
    ],
    [
      'one kind of changes',
      [{ $match: { operationType: 'insert' } }],
      'the events update, replace, delete, drop, rename',
    ],
    [
      'a field of its documents',
      [{ $match: { 'fullDocument.team': 'red' } }],
      'the events update, delete, drop, rename',
    ],
    [
      'a field of an update',
      [{ $match: { 'updateDescription.updatedFields.team': { $exists: true } } }],
      'the events insert, replace, delete, drop, rename',
    ],
    ['the denial of its name', [{ $match: { $nor: [{ 'ns.coll': 'tasks' }] } }], 'all changes'],
    ['a misspelt name of a field', [{ $match: { 'ns.collection': 'tasks' } }], 'all changes'],
  ]
  for (const [what, pipeline, events] of CLOSED)
    it(`is refused where it leaves a collection out by ${what}`, () => {
      const { code, message } = failure(() => checkReported(pipeline as never, 'app', 'tasks'))
      expect(code).to.equal('INVALID_OPTION')
      expect(message).to.include(`the pipeline leaves out ${events} of the collection tasks`)
    })
})
