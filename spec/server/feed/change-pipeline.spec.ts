import { expect } from 'chai'
import type { Document, Id } from '../../../lib/model/document.ts'
import { ChangePipeline } from '../../../lib/server/feed/change-pipeline.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { Adapter, Change, DocumentChange, ReportedChange } from '../../../lib/source/source.ts'
import { until } from '../../support/local.ts'

const set = (position: number, id: number, data: number): DocumentChange => ({
  kind: 'update',
  position: String(position),
  timestamp: '',
  collection: 'users',
  id,
  operations: [{ operation: 'set', path: 'n', data }],
})

describe('server/pipeline', () => {
  /** An pipeline of a source with numbers for positions; the documents of `needy` are needed. */
  const setUp = ({ needy = [1] as Id[], begun = true } = {}) => {
    const asked: (readonly Id[])[] = []
    const answers: ((found: { documents: Document[]; position: string }) => void)[] = []
    const adapter = {
      name: 'numbers',
      compare: (a: string, b: string) => Number(a) - Number(b),
      lookup: (_collection: string, ids: readonly Id[]) => {
        asked.push(ids)
        return new Promise((resolve) => answers.push(resolve))
      },
    } as unknown as Adapter
    /** What was handed on: the positions of changes that are shown at once and where the source is then, and what else happened. */
    const told: unknown[] = []
    const documents: unknown[] = []
    /** How much was handed on each time that clients were told. */
    const delivered: number[] = []
    const pipeline = new ChangePipeline(adapter, {
      isShown: () => true,
      needsDocument: (change) => needy.includes(change.id),
      dispatch: (changes, position) => {
        told.push([...changes.map((change) => change.position), `@${position}`])
        documents.push(...changes.map((change) => (change as DocumentChange).document))
      },
      deliver: () => delivered.push(told.length),
      lost: (reason) => told.push(reason),
      failed: (error) => told.push((error as Error).message),
      hasRole: () => {},
    })
    if (begun) pipeline.begin()
    const send = (...changes: Change[]) => pipeline.listener.changes(changes, changes.at(-1)?.position ?? '0')
    const answer = async (position: number, ...found: Document[]) => {
      await until(() => answers.length > 0)
      answers.shift()?.({ documents: found, position: String(position) })
      await yieldToEventLoop()
    }
    return { pipeline, asked, told, documents, delivered, send, answer }
  }

  it('hands on at once what needs no document, and nothing before it has begun', () => {
    const { pipeline, told, send } = setUp({ begun: false })
    send(set(1, 2, 0), set(2, 3, 0))
    pipeline.listener.progress('5')
    expect(told).to.deep.equal([])
    pipeline.begin()
    expect(told).to.deep.equal([['1', '@1'], ['2', '@2'], ['@5']])
    send(set(6, 2, 0))
    expect(told.at(-1)).to.deep.equal(['6', '@6'])
  })

  it('has clients told once of all that came together, of what comes before a look-up, and before a history is lost', async () => {
    const { pipeline, told, delivered, send, answer } = setUp()
    delivered.splice(0)
    send(set(1, 2, 0), set(2, 3, 0), set(3, 2, 1))
    expect(told).to.have.length(3)
    expect(delivered.splice(0)).to.deep.equal([3])
    send(set(4, 2, 0), set(5, 1, 0), set(6, 2, 0))
    expect(delivered.splice(0)).to.deep.equal([4])
    send(set(7, 2, 0))
    send(set(8, 2, 0))
    pipeline.listener.lost('gone', '9')
    await answer(6, { _id: 1, n: 0 })
    expect(told.slice(4)).to.deep.equal([['5', '6', '@6'], ['7', '@7'], ['8', '@8'], 'gone'])
    expect(delivered).to.deep.equal([7, 8])
  })

  it('shows what was looked up together with all that was told until then, and the rest after it', async () => {
    const { told, documents, send, answer } = setUp()
    send(set(1, 2, 0), set(2, 1, 5), set(3, 2, 0))
    send(set(4, 2, 0))
    send(set(5, 2, 0), set(6, 2, 0))
    await answer(5, { _id: 1, n: 5 })
    expect(told).to.deep.equal([
      ['1', '@1'],
      ['2', '3', '4', '5', '@5'],
      ['6', '@6'],
    ])
    expect(documents[1]).to.deep.equal({ _id: 1, n: 5 })
  })

  it('waits until the source has told what the look-up may have seen', async () => {
    const { pipeline, told, documents, send, answer } = setUp()
    send(set(2, 1, 5))
    await answer(7, { _id: 1, n: 6 })
    expect(told).to.deep.equal([])
    send(set(4, 2, 0))
    await yieldToEventLoop()
    expect(told).to.deep.equal([])
    send(set(6, 1, 6), set(7, 1, 7))
    // The later changes need their document as well: it is looked up once more, and all come at once.
    await answer(7, { _id: 1, n: 7 })
    await until(() => told.length > 0)
    expect(told).to.deep.equal([['2', '4', '6', '7', '@7']])
    expect(documents.filter(Boolean).map((document) => (document as Document).n)).to.deep.equal([7, 7, 7])
    pipeline.listener.progress('9')
    expect(told.at(-1)).to.deep.equal(['@9'])
  })

  it('passes changes on encoded only where no view gets them, and decodes whole transactions', () => {
    const told: string[] = []
    const pipeline = new ChangePipeline({ compare: () => 0 } as unknown as Adapter, {
      isShown: (collection) => collection === 'shown',
      needsDocument: () => false,
      dispatch: (changes, position, begin) =>
        told.push(
          `${changes.map(({ kind, collection }) => `${kind} ${collection}`)} @${position} from ${begin}`,
        ),
      deliver: () => {},
      lost: () => {},
      failed: () => {},
      hasRole: () => {},
    })
    pipeline.begin()
    const encoded = (at: number, collection: string, transaction?: string): ReportedChange => {
      const fields = {
        position: String(at),
        timestamp: '',
        collection,
        ...(transaction ? { transaction } : {}),
      }
      const change: Change = { kind: 'reload', ...fields }
      return { kind: 'encoded', ...fields, bytes: 1, decode: () => [change] }
    }
    const changes = [
      encoded(1, 'hidden'),
      encoded(2, 'hidden', 't'),
      encoded(3, 'shown', 't'),
      encoded(4, 'shown'),
    ]
    pipeline.listener.encoded?.changes(changes, '5')
    expect(told).to.deep.equal([
      'encoded hidden @1 from 1',
      'reload hidden,reload shown @3 from 2',
      'reload shown @5 from 4',
    ])
  })

  it('asks whether a document is needed only when what came before it was shown', () => {
    const seen: unknown[] = []
    const pipeline = new ChangePipeline({ compare: () => 0, lookup: async () => [] } as unknown as Adapter, {
      isShown: () => true,
      needsDocument: (change) => {
        seen.push(`needs ${change.position}?`)
        return false
      },
      dispatch: (changes) => seen.push(...changes.map((change) => change.position)),
      deliver: () => {},
      lost: () => {},
      failed: () => {},
      hasRole: () => {},
    })
    pipeline.begin()
    pipeline.listener.changes([set(1, 1, 0), set(2, 1, 0)], '2')
    expect(seen).to.deep.equal(['needs 1?', '1', 'needs 2?', '2'])
  })

  it('lets a loss that comes meanwhile be told in its turn', async () => {
    const { pipeline, told, send, answer } = setUp()
    send(set(2, 1, 5))
    await answer(7, { _id: 1, n: 5 })
    pipeline.listener.lost('gone', '30')
    await until(() => told.length === 2)
    expect(told).to.deep.equal([['2', '@2'], 'gone'])
  })

  it('hands nothing on once it was closed, also of what is being looked up', async () => {
    const { pipeline, told, send, answer } = setUp()
    send(set(2, 1, 5))
    pipeline.close()
    await answer(2, { _id: 1, n: 5 })
    send(set(3, 2, 0))
    pipeline.listener.lost('gone', '30')
    pipeline.listener.error(new Error('oops'))
    await yieldToEventLoop()
    expect(told).to.deep.equal([])
  })
})
