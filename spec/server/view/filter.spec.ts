import { expect } from 'chai'
import type { Document } from '../../../lib/model/document.ts'
import type { Operation } from '../../../lib/model/operation.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { parseManifest } from '../../../lib/policy/manifest.ts'
import { withoutDocument } from '../../../lib/server/feed/change.ts'
import { MUST_RELOAD } from '../../../lib/server/feed/frame.ts'
import { ViewFilter } from '../../../lib/server/view/filter.ts'
import type { DocumentChange, Query } from '../../../lib/source/source.ts'

const lensOf = (query: Query = {}, manifest: unknown = { name: true }) =>
  new ViewFilter(
    parseManifest(manifest, 'manifest'),
    query,
    Object.keys(query).length > 0 ? matcher(query) : undefined,
  )
const op = (operation: Operation['operation'], path: string, data?: unknown) =>
  ({ operation, path, ...(data === undefined ? {} : { data }) }) as Operation
const update = (operations: Operation[], document?: Document): DocumentChange => ({
  kind: 'update',
  position: '1',
  timestamp: '',
  collection: 'users',
  id: 1,
  operations,
  ...(document ? { document } : {}),
})
const whole = (kind: 'insert' | 'replace', document: Document): DocumentChange => ({
  ...update([op('set', '.', document)]),
  kind,
})
const gone = withoutDocument(update([]))

const IN = { _id: 1, team: 'a', name: 'Ann', secret: 's' }
const OUT = { ...IN, team: 'b' }
const SHOWN = ['set', '.', { _id: 1, name: 'Ann' }]

describe('server/filter', () => {
  describe('with a criteria', () => {
    const filter = lensOf({ team: 'a' })
    const name = op('set', 'name', 'Ann')
    const team = op('set', 'team', 'a')
    /** What is to be seen where the view did not have the document, and where it did. */
    const rows: [string, DocumentChange, unknown, unknown][] = [
      ['an insert that belongs', whole('insert', IN), [SHOWN], [SHOWN]],
      ['an insert that does not', whole('insert', OUT), [], [['unset', '.']]],
      ['a replacement that belongs', whole('replace', IN), [SHOWN], [SHOWN]],
      ['a replacement that does not', whole('replace', OUT), [], [['unset', '.']]],
      ['a delete', gone, [], [['unset', '.']]],
      // The view was read ahead of its source's log: a client that resumed may hold the document.
      ['a delete of what belonged', { ...gone, before: IN }, [['unset', '.']], [['unset', '.']]],
      ['a delete of what did not', { ...gone, before: OUT }, [], [['unset', '.']]],
      ['an update after which it belongs', update([team], IN), [SHOWN], []],
      ['an update after which it does not', update([name], OUT), [], [['unset', '.']]],
      ['an update of what is shown', update([name], IN), [SHOWN], [['set', 'name', 'Ann']]],
      ['an update of what is hidden', update([op('set', 'secret', 't')], IN), [SHOWN], []],
      ['an update, nobody knows of what, of what is shown', update([name]), [], [['set', 'name', 'Ann']]],
      ['an update, nobody knows of what, of what is hidden', update([op('set', 'secret', 't')]), [], []],
      ['an update, nobody knows of what, that passes', update([team]), MUST_RELOAD, []],
      ['an update, nobody knows of what, that fails', update([op('set', 'team', 'b')]), [], [['unset', '.']]],
      [
        'an update of which that can not be told',
        update([op('push', 'team', 'b')]),
        MUST_RELOAD,
        MUST_RELOAD,
      ],
    ]
    for (const [what, change, stranger, member] of rows) {
      it(`shows ${what} by whether it had the document`, () => {
        const shown = [false, true].map((held) => {
          const oplist = filter.show(change, held)
          if (oplist === MUST_RELOAD) return oplist
          for (const { id } of oplist) expect(id).to.equal(1)
          return oplist.map(({ operation, path, data }) => [
            operation,
            path,
            ...(data === undefined ? [] : [data]),
          ])
        })
        expect(shown).to.deep.equal([stranger, member])
      })
    }

    const touching: [string, Operation, boolean][] = [
      ['the field itself', op('set', 'team', 'a'), true],
      ['a part of it', op('set', 'team.name', 'a'), true],
      ['another field', op('set', 'name', 'a'), false],
      ['a field of a like name', op('set', 'teams', 'a'), false],
      ['the whole', op('set', '.', {}), true],
      ['a rename of it', op('rename', 'team', 'old'), true],
      ['a rename to it', op('rename', 'old', 'team'), true],
      ['a rename to a part of it', op('rename', 'old', 'team.name'), true],
      ['a rename of others', op('rename', 'old', 'new'), false],
      ['what its keys say, whatever its path', { ...op('set', 'name', 1), keys: ['team'] }, true],
      ['what its keys say and no more', { ...op('set', 'team', 1), keys: ['name'] }, false],
    ]
    for (const [what, operation, touches] of touching) {
      it(`${touches ? 'may change' : 'does not change'} its members by ${what}`, () => {
        expect(filter.match(update([operation])) !== 'same').to.equal(touches)
        expect(filter.match(update([op('set', 'x', 1), operation])) !== 'same').to.equal(touches)
        expect(lensOf().match(update([operation]))).to.equal('same')
      })
    }

    it('looks at the fields of all branches of its query', () => {
      const deep = lensOf({ $or: [{ a: 1 }, { $and: [{ 'b.c': 1 }, { $nor: [{ d: 1 }] }] }] })
      const touched = ['a', 'b', 'c', 'd', 'e'].filter(
        (field) => deep.match(update([op('set', field, 1)])) !== 'same',
      )
      expect([...deep.fields].sort()).to.deep.equal(touched)
      expect(touched).to.deep.equal(['a', 'b', 'd'])
    })
  })

  describe('needs the document', () => {
    const rename = op('rename', 'secret', 'name')
    const pull = op('pull', 'name', { $gt: 1 })
    /** Whether it is needed of a document that the view has, of one that it has not, and of one of which that is not known. */
    const rows: [string, ViewFilter, DocumentChange, [boolean, boolean, boolean]][] = [
      ['for nothing that is plain', lensOf(), update([op('set', 'name', 1)]), [false, false, false]],
      ['where a hidden field gets a name that shows', lensOf(), update([rename]), [true, true, true]],
      ['where a condition tells what is pulled', lensOf(), update([pull]), [true, true, true]],
      ['not where it is there', lensOf(), update([rename], IN), [false, false, false]],
      [
        'where it may enter or leave',
        lensOf({ team: 'a' }),
        update([op('push', 'team', 1)]),
        [true, true, true],
      ],
      ['where it may enter', lensOf({ team: 'a' }), update([op('set', 'team', 'a')]), [false, true, true]],
      ['not where it leaves', lensOf({ team: 'a' }), update([op('set', 'team', 1)]), [false, false, false]],
      ['not of one that it has not', lensOf({ team: 'a' }), update([rename]), [true, false, true]],
      ['not to find a change malformed', lensOf(), update([op('set', 'a..b', 1)]), [false, false, false]],
    ]
    for (const [what, filter, change, expected] of rows) {
      it(what, () => {
        const needs = [true, false, undefined].map((held) => filter.needsDocument(change, held))
        expect(needs).to.deep.equal(expected)
      })
    }
  })

  describe('what takes a query to understand', () => {
    const pull = op('pull', 'list', { n: { $gt: 1 } })
    const document = { _id: 1, list: [{ n: 1 }], secret: 's' }
    const manifest = { list: true }

    it('is shown as the whole document, where that is known', () => {
      const shown = lensOf({}, manifest).show(update([pull], document), true)
      expect(shown).to.deep.equal([
        { operation: 'set', id: 1, path: '.', data: { _id: 1, list: [{ n: 1 }] } },
      ])
    })

    it('can not be shown where it is not', () => {
      expect(lensOf({}, manifest).show(update([pull]), true)).to.equal(MUST_RELOAD)
    })

    it('does not matter where it is hidden', () => {
      expect(lensOf({}, { name: true }).show(update([pull], document), true)).to.deep.equal([])
    })
  })

  it('throws where an operation is malformed', () => {
    expect(() => lensOf().show(update([op('set', 'a..b', 1)]), true)).to.throw()
  })

  it('shares nothing with the change that it shows', () => {
    const change = update([op('set', 'name', 'Ann')])
    lensOf().show(change, true)
    expect(change).to.deep.equal(update([op('set', 'name', 'Ann')]))
  })
})
