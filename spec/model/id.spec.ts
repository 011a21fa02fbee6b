import { expect } from 'chai'
import fc from 'fast-check'
import { idKey, mapKey } from '../../lib/model/id.ts'
import { canonical } from '../../lib/model/json.ts'

describe('idKey', () => {
  it('tells a number from its text', () => expect(idKey(1)).not.to.equal(idKey('1')))

  it('takes objects for equal whatever the order of their fields', () => {
    expect(idKey({ a: 1, b: [{ c: 2, d: 3 }] })).to.equal(idKey({ b: [{ d: 3, c: 2 }], a: 1 }))
  })

  it('gives equal keys to equal ids only, and so does the key for maps', () => {
    const texts = ['', '"', '1', '"1', '{}', 'null', 'true', '\0', '\0"', '\0{}', '\0null', '\0"\0']
    const id = fc.oneof(fc.constantFrom(...texts), fc.constantFrom(0, null, {}), fc.jsonValue())
    fc.assert(
      fc.property(id, id, (a, b) => {
        const [x, y] = [JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))]
        expect(idKey(x) === idKey(y)).to.equal(canonical(x) === canonical(y))
        expect(new Set([mapKey(x), mapKey(y)]).size === 1).to.equal(canonical(x) === canonical(y))
      }),
    )
  })
})
