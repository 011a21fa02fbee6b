import { expect } from 'chai'
import type { Db } from 'mongodb'
import { Following } from '../../../lib/source/mongo/following.ts'
import { IdKinds } from '../../../lib/source/mongo/id-kinds.ts'
import { until } from '../../support/local.ts'
import { Recorder } from './fold.ts'
import { eventAt, LATER, ScriptedDriver, type Step, serverError } from './scripted.ts'

describe('Following', () => {
  let recorder: Recorder
  let following: Following | undefined

  beforeEach(() => {
    recorder = new Recorder()
  })

  afterEach(() => following?.close())

  function follow(steps: Step[], position: string, ...more: Step[][]) {
    const { options } = new ScriptedDriver(steps, ...more)
    const db = {
      watch: options.source.watch,
      databaseName: 'd',
      listCollections: () => ({ toArray: async () => [] }),
    } as unknown as Db
    following = new Following(
      {
        client: options.client,
        db,
        pipeline: [],
        maxAwaitTimeMS: 10,
        start: options.start,
        position,
        replays: true,
        expanded: true,
        sharded: false,
        collections: () => ['users'],
        ids: new IdKinds(db, () => {}),
        present: async () => options.start,
      },
      recorder,
    )
    following.announce()
    return following
  }

  const told = () => recorder.changesSeen.map(({ position, transaction }) => [position, transaction])
  const later = Array.from({ length: 3 }, (_, n) => eventAt(5, n, { txnNumber: 1 }))

  it('marks what has one cluster time, in a transaction or not, as made at once', async () => {
    follow([eventAt(1), ...later, eventAt(6), eventAt(7, 0), eventAt(7, 1)], '1000.1.4294967295')
    await until(() => told().length === 7)
    expect(told()).to.deep.equal([
      ['1001.1.0', undefined],
      ['1005.1.0', '1005.1'],
      ['1005.1.1', '1005.1'],
      ['1005.1.2', '1005.1'],
      ['1006.1.0', undefined],
      ['1007.1.0', '1007.1'],
      ['1007.1.1', '1007.1'],
    ])
  })

  it('tells a document that moves to another shard as there, whichever event the router puts first', async () => {
    const move = [
      eventAt(5, 0, {
        txnNumber: 1,
        documentKey: { region: 'asia', _id: 'ann' },
        fullDocument: { _id: 'ann' },
      }),
      eventAt(5, 1, { txnNumber: 1, operationType: 'delete', documentKey: { region: 'us', _id: 'ann' } }),
    ]
    follow([...move, eventAt(6)], '1000.1.4294967295')
    await until(() => told().length === 3)
    expect(recorder.changesSeen.map(({ kind }) => kind)).to.deep.equal(['delete', 'insert', 'insert'])
  })

  it('tells nothing up to its position again, and the rest of that time as it was told before', async () => {
    const first = Array.from({ length: 3 }, (_, n) => eventAt(0, n))
    follow([...first, eventAt(1)], '1000.1.0')
    await until(() => told().length === 3)
    expect(told()).to.deep.equal([
      ['1000.1.1', '1000.1'],
      ['1000.1.2', '1000.1'],
      ['1001.1.0', undefined],
    ])
    expect(recorder.losses).to.deep.equal([])
  })

  it('says that the history is lost where a change comes that should have been told before', async () => {
    follow([eventAt(5), LATER, eventAt(3), eventAt(6), LATER, eventAt(7)], '1000.1.4294967295')
    await until(() => told().length === 3)
    expect(told().map(([position]) => position)).to.deep.equal(['1005.1.0', '1006.1.0', '1007.1.0'])
    expect(recorder.losses.map(({ position }) => position)).to.deep.equal(['1005.1.0'])
    expect(recorder.losses[0]?.reason).to.include('later than the server had announced')
  })

  it('counts on in a cluster time after the stream broke off within it', async () => {
    follow([eventAt(5, 0), LATER, eventAt(5, 1), LATER, serverError(1)], '1000.1.4294967295', [
      eventAt(5, 2),
      eventAt(6),
    ])
    await until(() => told().length === 4)
    expect(told().map(([position]) => position)).to.deep.equal([
      '1005.1.0',
      '1005.1.1',
      '1005.1.2',
      '1006.1.0',
    ])
    expect(recorder.losses).to.deep.equal([])
  })

  it("has the collection of an event that can't be taken read again, and goes on", async () => {
    const broken = eventAt(2, 0, { operationType: 'update', updateDescription: { truncatedArrays: 5 } })
    follow([eventAt(1), broken, eventAt(3)], '1000.1.4294967295')
    await until(() => told().length === 3)
    expect(recorder.changesSeen.map(({ kind, position }) => [kind, position])).to.deep.equal([
      ['insert', '1001.1.0'],
      ['reload', '1002.1.0'],
      ['insert', '1003.1.0'],
    ])
    expect(recorder.errors).to.have.length(1)
    expect(recorder.losses).to.deep.equal([])
  })
  it('fails at a change without a time, rather than leave it out', async () => {
    follow([eventAt(1, 0, { clusterTime: undefined, _id: { _data: 'AeARBpQ/AAAA' } })], '1000.1.4294967295')
    await until(() => recorder.errors.length > 0)
    expect(String(recorder.errors[0])).to.include('The server sent a change (insert) without clusterTime')
    expect(told()).to.deep.equal([])
  })
})
