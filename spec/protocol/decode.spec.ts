import { expect } from 'chai'
import { ParticleError } from '../../lib/errors.ts'
import { decode } from '../../lib/protocol/decode.ts'
import { examples } from './examples.ts'

describe('decode', () => {
  for (const { event, data } of examples) {
    it(`reads ${event}: ${JSON.stringify(data).slice(0, 60)}`, () => {
      expect(decode(event, JSON.stringify(data))).to.deep.equal({ event, data })
      expect(decode(event, JSON.stringify(data), 'p:1')).to.deep.equal({ event, data, id: 'p:1' })
    })

    it(`refuses ${event} when a field that it needs is missing or of another type`, () => {
      const fields = Object.keys(data).filter((name) => name !== 'reason' && name !== 'root')
      for (const name of fields) {
        for (const wrong of [undefined, null, { no: 1 }, [1]]) {
          const text = JSON.stringify({ ...data, [name]: wrong })
          expect(() => decode(event, text), text)
            .to.throw(ParticleError)
            .with.property('code', 'INVALID_MESSAGE')
        }
      }
    })
  }

  const bad: [string, string][] = [
    ['ping', ''],
    ['ping', '{'],
    ['ping', 'null'],
    ['ping', '[]'],
    ['ping', '"x"'],
    ['reset', '{"root":1,"reason":"x"}'],
    ['reset', '{"root":"__proto__","reason":"x"}'],
    ['error', '{"root":5,"code":"x","message":"y"}'],
    ['delta', '{"root":"a","timestamp":"t","oplist":[{"operation":"set","path":"."}]}'],
    ['delta', '{"root":"a","timestamp":"t","oplist":[{"operation":"set","id":1}]}'],
    ['delta', '{"root":"a","timestamp":"t","oplist":[{"id":1,"path":"."}]}'],
    ['delta', '{"root":"a","timestamp":"t","oplist":[{"operation":"noop","id":1,"path":".","at":"0"}]}'],
    ['payload', '{"root":"a","timestamp":"t","data":[1],"part":0,"last":true}'],
    ['manifest', '{"protocol":1,"timestamp":"t","resumed":false,"sources":{"a":1}}'],
    ['manifest', '{"protocol":1,"timestamp":"t","resumed":false,"sources":{"__proto__":true}}'],
  ]
  for (const [name, data] of bad) {
    it(`refuses ${name}: ${data}`, () => {
      expect(() => decode(name, data))
        .to.throw(ParticleError)
        .with.property('code', 'INVALID_MESSAGE')
    })
  }

  it('gives undefined for a name that it does not know, whatever the data', () => {
    for (const name of ['later', '', 'toString', '__proto__']) expect(decode(name, '{')).to.equal(undefined)
  })

  it('lets fields pass that it does not know', () => {
    expect(decode('ping', '{"timestamp":"t","more":1}')?.data).to.deep.equal({ timestamp: 't', more: 1 })
  })
})
