import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { callback } from '../../../lib/source/callbacks/call.ts'

type Fn = (given: number, done: (error?: unknown, value?: unknown) => void) => unknown

/** What came of a call, and what `onError` was told until a while after. */
const call = async (fn: Fn, timeout = 50) => {
  const told: string[] = []
  const options = { arity: 2, timeout, onError: (error: ParticleError) => told.push(error.message) }
  const outcome = await callback('lookup', fn, (done) => [1, done], options).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  await new Promise((resolve) => setTimeout(resolve, 15))
  return { ...outcome, told }
}
const failed = async (fn: Fn, message: string, timeout?: number) => {
  const outcome = await call(fn, timeout)
  const error = 'error' in outcome ? outcome.error : undefined
  expect(error).to.be.instanceOf(ParticleError).and.include({ code: 'CALLBACK_FAILED', message })
  return { cause: (error as ParticleError).cause, told: outcome.told }
}
const later = (then: () => void) => void setTimeout(then, 5)

describe('source/callbacks/call', () => {
  const answers: [string, Fn, unknown][] = [
    ['a value that is returned', () => 'x', 'x'],
    ['a promise', async () => 'x', 'x'],
    // biome-ignore lint/suspicious/noThenProperty: promises of other libraries are told by it.
    ['any thenable', () => ({ then: (resolve: (value: string) => void) => resolve('x') }), 'x'],
    ['done', (_given, done) => done(null, 'x'), 'x'],
    ['done, later', (_given, done) => later(() => done(undefined, 'x')), 'x'],
    ['done(false, value)', (_given, done) => done(false, 'x'), 'x'],
    ['done without a value', (_given, done) => done(), undefined],
    ['null', (_given, _done) => null, null],
    ['undefined, where the function takes no done', (_given) => undefined, undefined],
    ['a promise of undefined, where it takes none', async (_given) => undefined, undefined],
    [
      'undefined, where the function declares done and does not use it',
      (_given, _done) => undefined,
      undefined,
    ],
    ['a promise of undefined, where it does not use done', async (_given, _done) => undefined, undefined],
    [
      'what is returned beside a done that is used on another way',
      (given, done) => (given > 1 ? done() : 'x'),
      'x',
    ],
    ['done, handed on by an async function', async (_given, done) => later(done), undefined],
    ['an async function that calls done', async (_given, done) => done(null, 'x'), 'x'],
    ['an async function that calls done later', async (_given, done) => later(() => done(null, 'x')), 'x'],
  ]
  for (const [what, fn, value] of answers) {
    it(`takes ${what} for the answer`, async () => {
      expect(await call(fn)).to.deep.equal({ value, told: [] })
    })
  }

  it('counts the first of both', async () => {
    const first = await call((_given, done) => {
      done(null, 'by done')
      return 'returned'
    })
    expect(first).to.deep.equal({ value: 'by done', told: [] })
    const second = await call((_given, done) => {
      later(() => done(null, 'by done'))
      return 'returned'
    })
    expect(second).to.deep.equal({ value: 'returned', told: [] })
  })

  it('names a function that calls done twice, and counts the first', async () => {
    const { told, ...outcome } = await call((_given, done) => {
      done(null, 'first')
      done(null, 'second')
      later(() => done(new Error('third')))
    })
    expect(outcome).to.deep.equal({ value: 'first' })
    expect(told).to.deep.equal(Array(2).fill('lookup called done more than once'))
  })

  it('tells of a failure that comes after the answer', async () => {
    const thrown = await call((_given, done) => {
      done(null, 'x')
      throw new Error('after')
    })
    expect(thrown).to.deep.equal({ value: 'x', told: ['lookup threw: after'] })
    const rejected = await call(async (_given, done) => {
      done(null, 'x')
      throw new Error('after')
    })
    expect(rejected).to.deep.equal({ value: 'x', told: ['lookup rejected: after'] })
  })

  it('fails with the cause when the function throws, rejects or answers with an error', async () => {
    const cause = new Error('down')
    const fns: [string, Fn][] = [
      ['threw', () => raise(cause)],
      ['rejected', () => Promise.reject(cause)],
      ['failed', (_given, done) => done(cause)],
    ]
    for (const [how, fn] of fns)
      expect(await failed(fn, `lookup ${how}: down`)).to.deep.equal({ cause, told: [] })
    expect((await failed((_given, done) => done(0), 'lookup failed')).cause).to.equal(0)
    expect((await failed((_given, done) => done(''), 'lookup failed')).cause).to.equal('')
  })

  it('fails when there is no answer in time, and takes none after', async () => {
    const silent =
      'lookup did not answer within 10 ms: it returned undefined, and has not called done, which its code uses; let it return null (or its answer) wherever it does not call done'
    const early: Fn = (given, done) => (given > 1 ? done() : undefined)
    await failed(early, silent, 10)
    await failed(async (given, done) => early(given, done), silent, 10)
    await failed(() => new Promise(() => {}), 'lookup did not answer within 10 ms', 10)
    const late: Fn = (_given, done) => void setTimeout(done, 20, null, 'late')
    expect((await failed(late, silent, 10)).told).to.deep.equal([])
  })
})

function raise(error: Error): never {
  throw error
}
