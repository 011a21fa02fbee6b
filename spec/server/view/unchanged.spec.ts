import { expect } from 'chai'
import fc from 'fast-check'
import { applyToCopy } from '../../../lib/model/apply.ts'
import type { Document, Json } from '../../../lib/model/document.ts'
import { canonical } from '../../../lib/model/json.ts'
import type { DocumentOperation } from '../../../lib/model/operation.ts'
import { filterDelta, filterPayload, type Manifest } from '../../../lib/policy/manifest.ts'
import { withoutUnchanged } from '../../../lib/server/view/unchanged.ts'
import { applied, choosers, keysOf, manifests, operationOn } from '../../policy/generated.ts'

const BEFORE: Document = {
  _id: 1,
  name: 'Ann',
  none: null,
  n: 1,
  address: { city: 'Bonn', zip: '53111' },
  tags: [{ label: 'a', note: 'x' }, 'hidden'],
  secret: 's',
}
const MANIFEST: Manifest = {
  name: true,
  none: true,
  n: true,
  m: true,
  address: { city: true },
  tags: { label: true },
}

describe('server/unchanged', () => {
  const rows: [string, Partial<DocumentOperation>, boolean][] = [
    ['a field that is set to what it is', { path: 'name', data: 'Ann' }, false],
    ['a field that is set to something else', { path: 'name', data: 'Bea' }, true],
    ['null where null was', { path: 'none', data: null }, false],
    ['null where nothing was', { path: 'nobody', data: null }, true],
    ['an object of which something hidden changed', { path: 'address', data: { city: 'Bonn' } }, false],
    ['an object of which something visible changed', { path: 'address', data: { city: 'Köln' } }, true],
    ['a field of an object that is set to what it is', { path: 'address.city', data: 'Bonn' }, false],
    ['an element that is hidden, and was', { path: 'tags.1', data: null }, false],
    ['an element that gets a place', { path: 'tags.2', data: null }, true],
    ['a list whose hidden parts changed', { path: 'tags', data: [{ label: 'a' }, null] }, false],
    ['a list in another order', { path: 'tags', data: [null, { label: 'a' }] }, true],
    ['a removal of what was not there', { operation: 'unset', path: 'nobody' }, false],
    ['a removal of what was there', { operation: 'unset', path: 'none' }, true],
    ['a removal of the document', { operation: 'unset', path: '.' }, true],
    ['a number that grows', { operation: 'inc', path: 'n', data: 1 }, true],
    ['a number that grows by nothing', { operation: 'inc', path: 'n', data: 0 }, false],
    ['a number that begins', { operation: 'inc', path: 'm', data: 0 }, true],
    [
      'an element that is in the list already',
      { operation: 'addToSet', path: 'tags', data: { label: 'a' } },
      false,
    ],
    [
      'a document whose hidden parts changed',
      {
        path: '.',
        data: {
          tags: [{ label: 'a' }, null],
          address: { city: 'Bonn' },
          none: null,
          n: 1,
          name: 'Ann',
          _id: 1,
        },
      },
      false,
    ],
    ['a document of which a field is gone', { path: '.', data: { _id: 1, name: 'Ann' } }, true],
  ]
  for (const [what, operation, isKept] of rows) {
    it(`${isKept ? 'keeps' : 'leaves out'} ${what}`, () => {
      const one: DocumentOperation = { operation: 'set', id: 1, path: '', ...operation }
      expect(withoutUnchanged(MANIFEST, BEFORE, [one])).to.deep.equal(isKept ? [one] : [])
    })
  }

  it('keeps of several what changes something, also where one takes back what another did', () => {
    const set = (path: string, data: Json): DocumentOperation => ({ operation: 'set', id: 1, path, data })
    const there = set('name', 'Bea')
    const back = set('name', 'Ann')
    const same = set('address', { city: 'Bonn' })
    expect(withoutUnchanged(MANIFEST, BEFORE, [there, same])).to.deep.equal([there])
    expect(withoutUnchanged(MANIFEST, BEFORE, [there, same, back])).to.deep.equal([there, back])
    expect(withoutUnchanged(MANIFEST, BEFORE, [back, same])).to.deep.equal([])
  })

  const many = Array.from({ length: 4000 }, (_, at) => at)
  const wide: Document = {
    _id: 1,
    o: Object.fromEntries(many.map((at) => [`f${at}`, at])),
    p: Object.fromEntries(many.map((at) => [`f${at}`, { x: at }])),
    list: many.map((at) => ({ n: at })),
  }
  for (const [what, write] of Object.entries<(at: number) => Omit<DocumentOperation, 'id'>>({
    'fields of one object': (at) => ({ operation: 'set', path: `o.f${at}`, data: at % 2 ? at : -1 }),
    'objects within one object': (at) => ({
      operation: 'set',
      path: `p.f${at}`,
      data: { x: at % 2 ? at : -1 },
    }),
    'removed fields': (at) => ({ operation: 'unset', path: at % 2 ? `o.g${at}` : `o.f${at}` }),
    'elements of one array': (at) => ({ operation: 'set', path: `list.${at}.n`, data: at % 2 ? at : -1 }),
  })) {
    it(`leaves out the unchanged of many ${what}, in linear time`, () => {
      const oplist = many.map((at): DocumentOperation => ({ ...write(at), id: 1 }))
      const began = process.cpuUsage()
      const kept = withoutUnchanged(true, wide, oplist)
      const { user, system } = process.cpuUsage(began)
      expect(kept).to.deep.equal(oplist.filter((_, at) => at % 2 === 0))
      expect((user + system) / 1000).to.be.below(400)
    })
  }

  it('keeps all or none of very many that are not direct', () => {
    const pulls = many
      .slice(0, 100)
      .map((at): DocumentOperation => ({ operation: 'pull', id: 1, path: 'list', data: -1 - at }))
    expect(withoutUnchanged(true, wide, pulls)).to.deep.equal([])
    const push: DocumentOperation = { operation: 'push', id: 1, path: 'list', data: 1 }
    expect(withoutUnchanged(true, wide, [...pulls, push])).to.have.length(101)
  })

  it('keeps all where one does not fit the document', () => {
    const oplist: DocumentOperation[] = [
      { operation: 'set', id: 1, path: 'address', data: { city: 'Bonn' } },
      { operation: 'set', id: 1, path: 'name.first', data: 'Ann' },
    ]
    expect(withoutUnchanged(MANIFEST, BEFORE, oplist)).to.deep.equal(oplist)
  })

  it('leads every image to where all operations lead it, and is nothing where one leaves it as it was', () => {
    let [unchanged, changed] = [0, 0]
    fc.assert(
      fc.property(manifests, choosers, (manifest, choose) => {
        const before = choose.document(1)
        const oplist: DocumentOperation[] = []
        let after: Document | undefined = structuredClone(before)
        const wanted = 1 + choose.below(3)
        for (let tries = 0; tries < 12 && oplist.length < wanted && after; tries++) {
          const op = operationOn(after, choose, 1)
          const next = applied(after, op)
          if (next === 'refused') continue
          const keys = keysOf(after, op.path)
          oplist.push(keys === undefined ? op : { ...op, keys })
          after = next
        }
        const document = after
        const shown = filterDelta(manifest, oplist, () => document)
        const image = filterPayload(manifest, before)
        const kept = withoutUnchanged(manifest, before, shown)
        const lead = (list: readonly DocumentOperation[]) =>
          canonical((list.reduce<Document | undefined>(applyToCopy, image) ?? null) as Json)
        expect(lead(kept)).to.equal(lead(shown))
        if (shown.length !== 1) return
        const isSame = lead(shown) === canonical(image as Json)
        expect(kept).to.deep.equal(isSame ? [] : shown)
        if (isSame) unchanged++
        else changed++
      }),
      { numRuns: 3000 },
    )
    expect(unchanged).to.be.above(50)
    expect(changed).to.be.above(200)
  })
})
