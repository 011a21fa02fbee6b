import { expect } from 'chai'
import fc from 'fast-check'
import type { Json } from '../../../lib/model/document.ts'
import { decode, decodeId, encode, encodeId, type RedisCodec } from '../../../lib/source/redis/codec.ts'
import { failure } from '../../support/failure.ts'

describe('source/redis/codec', () => {
  const values: Record<RedisCodec, fc.Arbitrary<Json>> = {
    string: fc.string({ unit: 'grapheme' }),
    number: fc
      .oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true, max: 1e15, min: -1e15 }))
      .map((n) => n + 0),
    boolean: fc.boolean(),
    json: fc.jsonValue() as fc.Arbitrary<Json>,
  }

  for (const [codec, arbitrary] of Object.entries(values) as [RedisCodec, fc.Arbitrary<Json>][]) {
    it(`gives back the ${codec} values that it wrote`, () => {
      fc.assert(
        fc.property(arbitrary, (value) => {
          const json = JSON.parse(JSON.stringify(value))
          expect(decode(codec, encode(codec, json, 'x'))).to.deep.equal(json)
        }),
      )
    })

    it(`never takes two texts for one ${codec} _id`, () => {
      fc.assert(
        fc.property(fc.oneof(fc.string(), fc.json(), fc.integer().map(String)), (text) => {
          const id = decodeId(codec, text)
          if (id !== undefined) expect(encodeId(codec, id)).to.equal(text)
        }),
      )
    })
  }

  it('keeps texts that do not fit as they are', () => {
    for (const text of ['', ' ', 'abc', '0x10', '1 2', 'Infinity', 'NaN', '9007199254740993', '1e999'])
      expect(decode('number', text)).to.equal(text)
    expect(['1.50', '+2', '.5', '-0.0e3', '1E3'].map((text) => decode('number', text))).to.deep.equal([
      1.5, 2, 0.5, -0, 1000,
    ])
    expect(['true', '1', 'false', '0', 'yes', ''].map((text) => decode('boolean', text))).to.deep.equal([
      true,
      true,
      false,
      false,
      'yes',
      '',
    ])
    expect(['{"a":1}', '[', 'null'].map((text) => decode('json', text))).to.deep.equal([{ a: 1 }, '[', null])
    expect(['01', '1.0', ' 1', 'x'].map((text) => decodeId('number', text))).to.deep.equal(
      Array(4).fill(undefined),
    )
    expect(['"1"', '1', '{"b":1,"a":2}', 'x'].map((text) => decodeId('json', text))).to.deep.equal([
      '1',
      1,
      undefined,
      undefined,
    ])
  })

  it('refuses values that a text cannot stand for, and says what to declare', () => {
    expect(failure(() => encode('string', 5, "users: the field 'visits'"))).to.deep.equal({
      code: 'INVALID_OPERATION',
      message:
        "users: the field 'visits' is of type number, but is declared as 'string': use { fields: { ...: 'number' } } in the collection's options",
    })
    expect(failure(() => encode('string', null, 'x')).message).to.include("'json'")
    expect(failure(() => encode('number', '5', 'x')).message).to.include("'string'")
    expect(failure(() => encode('boolean', [], 'x')).message).to.include('an array')
    expect(encodeId('string', 5)).to.equal(undefined)
    expect(encodeId('number', '5')).to.equal(undefined)
  })
})
