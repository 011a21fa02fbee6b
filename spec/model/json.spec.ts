import { expect } from 'chai'
import fc from 'fast-check'
import { canonical, field, toJson } from '../../lib/model/json.ts'

describe('toJson', () => {
  it('gives what JSON would carry', () => {
    const id = { toJSON: () => '64b8' }
    const value = { _id: id, at: new Date(0), gone: undefined, list: [undefined, Number.NaN, -0], f: () => 1 }
    expect(toJson(value)).to.deep.equal({
      _id: '64b8',
      at: '1970-01-01T00:00:00.000Z',
      list: [null, null, 0],
    })
    expect(toJson(undefined)).to.equal(null)
  })

  it('keeps a field named __proto__ from becoming a prototype', () => {
    const value = toJson(JSON.parse('{"__proto__":{"admin":true}}'))
    expect(Object.getPrototypeOf(value)).to.equal(Object.prototype)
    expect((value as { admin?: boolean }).admin).to.equal(undefined)
  })
})

describe('canonical', () => {
  it('sorts fields at every depth, and drops undefined', () => {
    const value = { b: [{ d: 1, c: null }], a: 'x', e: undefined } as never
    expect(canonical(value)).to.equal('{"a":"x","b":[{"c":null,"d":1}]}')
  })

  it('reads back as the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = toJson(value)
        expect(JSON.parse(canonical(json))).to.deep.equal(json)
      }),
    )
  })
})

describe('field', () => {
  it('finds own fields only', () => {
    expect(field({ a: 1 }, 'a')).to.equal(1)
    expect(field({}, 'toString')).to.equal(undefined)
  })
})
