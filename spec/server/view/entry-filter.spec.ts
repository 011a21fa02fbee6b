import { expect } from 'chai'
import type { Document, Json } from '../../../lib/model/document.ts'
import type { Operation } from '../../../lib/model/operation.ts'
import { parseSortLimit } from '../../../lib/policy/order.ts'
import { MUST_RELOAD } from '../../../lib/server/feed/frame.ts'
import { FewMap } from '../../../lib/server/support/few-map.ts'
import { digest, STALE } from '../../../lib/server/view/digest.ts'
import { filterEntry } from '../../../lib/server/view/entry-filter.ts'
import { ViewFilter } from '../../../lib/server/view/filter.ts'
import { Members } from '../../../lib/server/view/members.ts'
import { SortedWindow } from '../../../lib/server/view/sorted-window.ts'
import type { DocumentChange } from '../../../lib/source/source.ts'
import { entryOf } from '../../support/feed.ts'

const MANIFEST = { name: true, n: true } as const
const ANN: Document = { _id: 1, name: 'Ann', n: 0, secret: 's' }
const SHOWN = { _id: 1, name: 'Ann', n: 0 }

const set = (path: string, data: Json): Operation => ({ operation: 'set', path, data })
const update = (operations: Operation[], rest: Partial<DocumentChange> = {}): DocumentChange => ({
  kind: 'update',
  position: '1',
  timestamp: 'now',
  collection: 'users',
  id: 1,
  operations,
  ...rest,
})
const replaced = (document: Document): DocumentChange =>
  update([set('.', document as never)], { kind: 'replace', document })

describe('server/entry-filter', () => {
  const setUp = ({ limit = 0 } = {}) => {
    const sortLimit = parseSortLimit(limit ? { name: 1 } : undefined, limit || undefined, 'source')
    const filter = new ViewFilter(MANIFEST, {}, undefined, sortLimit?.order)
    const feed = { hold() {}, route: () => false }
    const members = new Members({ feed, filter } as never)
    const digests = new FewMap<number>()
    digests.set('1', digest(SHOWN))
    members.replace(digests, sortLimit && new SortedWindow(sortLimit, [structuredClone(ANN)], true))
    const show = (changes: DocumentChange[], note = true) => {
      const shown = filterEntry(entryOf(changes), { collection: 'users', filter }, members, note)
      if (shown === MUST_RELOAD) throw new Error('must reload')
      const oplist = shown.oplist.map(({ path, data }) => [path, data])
      return { oplist, recognized: shown.recognized }
    }
    return { members, show, digestOf: () => members.digests?.get('1') }
  }

  it('recognizes by its digest what clients hold already, but for another order of its fields', () => {
    const { show, digestOf } = setUp()
    const shown = show([replaced({ ...ANN, secret: 't' })])
    expect(shown).to.deep.equal({ oplist: [], recognized: true })
    expect(digestOf()).to.equal(digest(SHOWN))
    expect(show([replaced({ secret: 't', n: 0, name: 'Ann', _id: 1 })]).oplist).to.have.length(1)
  })

  it('keeps the digest of what it shows, so that the next one can be recognized too', () => {
    const { show, digestOf } = setUp()
    const after = { ...ANN, name: 'Bea' }
    expect(show([update([set('name', 'Bea')], { document: after })]).oplist).to.deep.equal([['name', 'Bea']])
    expect(digestOf()).to.equal(digest({ ...SHOWN, name: 'Bea' }))
    expect(show([update([set('name', 'Bea')], { document: after })]).oplist).to.deep.equal([])
  })

  it('keeps no digest where a change tells only operations', () => {
    const { show, digestOf } = setUp()
    show([update([set('name', 'Bea')])])
    expect(digestOf()).to.equal(STALE)
    expect(show([replaced({ ...ANN, name: 'Bea' })]).oplist).to.have.length(1)
    expect(show([replaced({ ...ANN, name: 'Bea', secret: 't' })]).oplist).to.have.length(0)
  })

  it('recognizes nothing by members of another time than right before the entry', () => {
    const { show } = setUp()
    expect(show([replaced(ANN)], false).oplist).to.have.length(1)
  })

  for (const limit of [0, 3]) {
    const where = limit ? 'among the first documents' : 'among all documents'
    it(`shows what follows a document that was looked up later, ${where}`, () => {
      const { show, digestOf } = setUp({ limit })
      const later = { ...ANN, n: 1, secret: 't' }
      const changes = [
        update([set('secret', 't')], { document: later }),
        update([set('n', 1)], { document: later }),
      ]
      expect(show(changes).oplist).to.deep.equal([['n', 1]])
      expect(digestOf()).to.equal(digest({ ...SHOWN, n: 1 }))
    })

    it(`shows there and back again within one entry, ${where}`, () => {
      const { show, digestOf } = setUp({ limit })
      const there = { ...ANN, n: 1 }
      const changes = [
        update([set('n', 1)], { document: there }),
        update([set('n', 0)], { document: structuredClone(ANN) }),
      ]
      expect(show(changes).oplist).to.deep.equal([
        ['n', 1],
        ['n', 0],
      ])
      expect(digestOf()).to.equal(digest(SHOWN))
    })
  }

  it('shows nothing of a step that leaves its place, and what is shown, as they were', () => {
    const { show } = setUp({ limit: 3 })
    expect(show([update([set('secret', 't')], { document: { ...ANN, secret: 't' } })]).oplist).to.deep.equal(
      [],
    )
    expect(show([replaced({ ...ANN, secret: 'u' })])).to.deep.equal({ oplist: [], recognized: false })
  })
})
