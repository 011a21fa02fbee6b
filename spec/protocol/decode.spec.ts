import { expect } from 'chai'
import { ParticleError } from '../../lib/errors.ts'
import { decode } from '../../lib/protocol/decode.ts'
import { shortDelta } from '../../lib/protocol/delta.ts'
import { examples } from './examples.ts'

describe('decode', () => {
  for (const example of examples) {
    const { event, data } = example
    const sent = event === 'delta' ? shortDelta(data) : data

    it(`reads ${event}: ${JSON.stringify(sent).slice(0, 60)}`, () => {
      expect(decode(event, JSON.stringify(sent))).to.deep.equal({ event, data })
      expect(decode(event, JSON.stringify(sent), 'p:1')).to.deep.equal({ event, data, id: 'p:1' })
      // As applications pass it that bring an own transport.
      expect(decode(event, JSON.stringify(data))).to.deep.equal({ event, data })
    })

    it(`refuses ${event} when a field that it needs is missing or of another type`, () => {
      const fields = Object.keys(data).filter((name) => !['reason', 'root', 'more'].includes(name))
      for (const name of fields) {
        for (const wrong of [undefined, null, { no: 1 }, [1]]) {
          // A delta without a time is one of the present.
          if (event === 'delta' && name === 'timestamp' && wrong === undefined) continue
          const text = JSON.stringify({ ...data, [name]: wrong })
          expect(() => decode(event, text), text)
            .to.throw(ParticleError)
            .with.property('code', 'INVALID_MESSAGE')
        }
      }
    })
  }

  it('gives a delta without a time the present of the server’s clock', () => {
    const timeOf = (text: string, lead?: number) =>
      Date.parse(Object(decode('delta', text, undefined, lead)?.data).timestamp) - Date.now()
    for (const text of ['["a"]', '{"root":"a","oplist":[]}']) {
      expect(timeOf(text)).to.be.closeTo(0, 1_000)
      expect(timeOf(text, 60_000)).to.be.closeTo(60_000, 1_000)
    }
  })

  const bad: [string, string][] = [
    ['ping', ''],
    ['ping', '{'],
    ['ping', 'null'],
    ['ping', '[]'],
    ['ping', '"x"'],
    ['reset', '{"root":1,"reason":"x"}'],
    ['reset', '{"root":"__proto__","reason":"x"}'],
    ['error', '{"root":5,"code":"x","message":"y"}'],
    ['delta', '[]'],
    ['delta', '[1]'],
    ['delta', '["__proto__"]'],
    ['delta', '["a",1]'],
    ['delta', '["a",null]'],
    ['delta', '["a","more"]'],
    ['delta', '["a",{"timestamp":1}]'],
    ['delta', '["a",{"timestamp":null}]'],
    ['delta', '["a",[]]'],
    ['delta', '["a",["set",1]]'],
    ['delta', '["a",[1,1,"."]]'],
    ['delta', '["a",["set",1,1]]'],
    ['delta', '["a",["noop",1,".",null,"0"]]'],
    ['delta', '{"root":"a","timestamp":"t","oplist":[{"operation":"set","path":"."}]}'],
    ['delta', '{"root":"a","timestamp":"t","oplist":[["set",1,"."]]}'],
    ['delta', '{"root":"a","timestamp":"t"}'],
    ['payload', '{"root":"a","timestamp":"t","data":[1],"part":0,"last":true}'],
    ['manifest', '{"protocol":2,"timestamp":"t","resumed":false,"sources":{"a":1}}'],
    ['manifest', '{"protocol":2,"timestamp":"t","resumed":false,"sources":{"__proto__":true}}'],
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
    const delta = {
      root: 'a',
      timestamp: 't',
      oplist: [{ operation: 'noop', id: 1, path: '.', at: 2 }],
      later: 1,
    }
    const text = '["a",{"timestamp":"t"},["noop",1,".",null,2,"later"],{"later":1,"root":"b","oplist":[]}]'
    expect(decode('delta', text)?.data).to.deep.equal(delta)
  })
})
