import { expect } from 'chai'
import { Fragments } from '../../../lib/source/mongo/fragments.ts'
import { eventAt } from './scripted.ts'

/** A fragment as MongoDB makes it: a token of its own, and some of the fields. */
function fragment(n: number, of: number, fields: object) {
  return { _id: { _data: `1-0-${n}` }, splitEvent: { fragment: n, of }, ...fields } as never
}

describe('Fragments of a split event', () => {
  it('leave an event that is whole as it is', () => {
    const event = eventAt(1)
    expect(new Fragments().take(event)).to.equal(event)
  })

  it('take the note off an event that is its own only fragment', () => {
    const event = eventAt(1)
    expect(new Fragments().take({ ...event, splitEvent: { fragment: 1, of: 1 } })).to.deep.equal(event)
  })

  it("become one event with all fields and the last one's token", () => {
    const fragments = new Fragments()
    const fields = { operationType: 'update', documentKey: { _id: 1 } }
    expect(fragments.take(fragment(1, 3, fields))).to.equal(undefined)
    expect(fragments.pending).to.equal(true)
    expect(fragments.take(fragment(2, 3, { fullDocumentBeforeChange: { _id: 1 } }))).to.equal(undefined)
    const whole = fragments.take(fragment(3, 3, { updateDescription: { updatedFields: { a: 1 } } }))
    expect(whole).to.deep.equal({
      ...fields,
      _id: { _data: '1-0-3' },
      fullDocumentBeforeChange: { _id: 1 },
      updateDescription: { updatedFields: { a: 1 } },
    })
    expect(fragments.pending).to.equal(false)
    expect(fragments.take(eventAt(2))).to.deep.equal(eventAt(2))
  })

  it('are refused where one is missing, at the begin, between and at the end', () => {
    expect(() => new Fragments().take(fragment(2, 2, {}))).to.throw('Fragment 1')
    for (const next of [fragment(3, 3, {}), eventAt(2)]) {
      const fragments = new Fragments()
      fragments.take(fragment(1, 3, {}))
      expect(() => fragments.take(next)).to.throw('Fragment 2')
    }
  })
})
