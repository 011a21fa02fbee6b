import { expect } from 'chai'
import { z } from 'zod'
import { ParticleError } from '../../lib/errors.ts'
import { ParamsReader } from '../../lib/policy/params.ts'

const WHERE = 'dataSources.messages.params'

async function refusalOf(option: unknown, params: object): Promise<string> {
  try {
    await new ParamsReader(option, WHERE).read(params as never)
  } catch (error) {
    if (error instanceof ParticleError && error.code === 'INVALID_PARAMS') return error.message
    throw error
  }
  return 'accepted'
}

describe('Parameters of a source', () => {
  const all = { text: 'string', number: 'number', flag: 'boolean', id: 'id' }

  it('are values of the types that the source names', async () => {
    const params = { text: '', number: 0, flag: false, id: 7 }
    expect(await new ParamsReader(all, WHERE).read(params)).to.deep.equal(params)
    expect(await new ParamsReader({ id: 'id' }, WHERE).read({ id: '7' })).to.deep.equal({ id: '7' })
  })

  for (const [type, values] of Object.entries({
    string: [1, true, null, {}, [], undefined, { $ne: '' }, 'x'.repeat(257), 'a\0', '\ud800'],
    number: ['1', Number.NaN, Number.POSITIVE_INFINITY, true, null, {}],
    boolean: [0, 'true', null, {}],
    id: ['', true, null, {}, ['a'], 'x'.repeat(257)],
  }))
    it(`are no ${type} where they are anything else`, async () => {
      for (const value of values)
        expect(await refusalOf({ room: type }, { room: value }), String(value)).to.include(
          'The parameter room ',
        )
    })

  it('are all that the source names, and no others', async () => {
    expect(await refusalOf({ room: 'string' }, {})).to.equal('The parameter room is missing')
    expect(await refusalOf({ room: 'string' }, { room: 'a', $where: '1' })).to.equal(
      'The parameter $where is no parameter of this source',
    )
    expect(await refusalOf({ room: 'string' }, Object.create({ room: 'a' }))).to.equal(
      'The parameter room is missing',
    )
  })

  it('are checked by a Standard Schema each, which may change them', async () => {
    const option = { room: z.string().trim().max(10), page: z.coerce.number().int() }
    expect(await new ParamsReader(option, WHERE).read({ room: ' a ', page: '2' })).to.deep.equal({
      room: 'a',
      page: 2,
    })
    expect(await refusalOf(option, { room: 'x'.repeat(11), page: 1 })).to.include('The parameter room ')
  })

  it('are checked by one Standard Schema for all', async () => {
    const reader = new ParamsReader(z.object({ from: z.number(), to: z.number() }), WHERE)
    expect(reader.names).to.equal(undefined)
    expect(await reader.read({ from: 1, to: 2, other: 'x' })).to.deep.equal({ from: 1, to: 2 })
  })

  it('never become an operator, whatever a schema makes of them', async () => {
    const operator = z.string().transform(() => ({ $ne: null }))
    expect(await refusalOf({ room: operator }, { room: 'a' })).to.include(
      'must be a text, a number, true or false',
    )
    expect(await refusalOf(z.object({ room: operator }), { room: 'a' })).to.include(
      'The parameter room must be',
    )
    expect(
      await refusalOf(
        z.any().transform(() => 'text'),
        {},
      ),
    ).to.include('must be an object of values')
  })

  for (const [option, sentence] of [
    [{}, 'names no parameter'],
    ['string', 'must be an object of names and types'],
    [null, 'must be an object of names and types'],
    [{ 'a.b': 'string' }, 'a name has letters, digits and _'],
    [{ room: 'text' }, '.room must be one of string, number, boolean, id'],
    [{ room: 'constructor' }, '.room must be one of string, number, boolean, id'],
  ] as const)
    it(`are refused at the start where they are declared as ${JSON.stringify(option)}`, () => {
      expect(() => new ParamsReader(option, WHERE))
        .to.throw(ParticleError, sentence)
        .with.property('code', 'INVALID_OPTION')
    })
})
