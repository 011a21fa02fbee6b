import { expect } from 'chai'
import { returnsNothing, usesParameter } from '../../../lib/source/callbacks/function-text.ts'

type Fn = (...args: never[]) => unknown
/** Functions as applications write them, compilers and minifiers included. */
const made = (text: string): Fn => new Function('session', `return ${text}`)({}) as Fn
const method = (text: string): Fn => (Object.values(made(`{ ${text} }`)) as unknown as Fn[])[0] as Fn

describe('source/callbacks/function-text', () => {
  const using: [string, Fn][] = [
    ['calls it', made('(id, done) => { setTimeout(() => done(null, id), 100) }')],
    ['hands it on', made('async (id, done) => { session.find(id, done) }')],
    ['hands it on in an expression', made('(id, done) => session.find(id, done)')],
    ['is a plain function', made('function (id, done, request) { done(null, request) }')],
    ['is a named function', made('async function lookup(id, done) { await 1; done() }')],
    ['is a method', method('lookup(id, done) { done(null, id) }')],
    ['is a method of a computed name', method("['a(' + (1, 2)](id, done) { done(null, id) }")],
    ['has a name with $', made('($id,$)=>{$(null,$id)}')],
    ['has a default before it', made("(id = { a: [1, ')'] }, done) => { done(null, id) }")],
    ['has comments between', made('(id /* (what, done */, // of (it\n done) => { done() }')],
    ['uses it in a later default', made('(id, done, then = () => done()) => { then() }')],
    ['takes it apart', made('(id, { length }) => { session.length = length }')],
    ['takes all as rest parameters', made('(...args) => session.find(...args)')],
    ['takes it among rest parameters', made('(id, ...rest) => { rest[0](null, id) }')],
    ['uses arguments', made('function () { session.find.apply(session, arguments) }')],
    ['is bound, and declares it', made('(id, done) => { session.find(id) }').bind(null)],
    [
      'was compiled to an older JavaScript',
      made(
        'function (id, done) { return __awaiter(this, void 0, void 0, function* () { session.find(id, done) }) }',
      ),
    ],
  ]
  for (const [how, fn] of using) {
    it(`finds that a function uses its second parameter where it ${how}`, () => {
      expect(usesParameter(fn, 2)).to.equal(true)
    })
  }

  const without: [string, Fn][] = [
    ['only declares it', made('(id, done, request) => { if (!request.session) return; return { id } }')],
    ['only declares it, being async', made('async (_id, _done, request) => request.user')],
    ['does not declare it', made('(id) => { session.done(id) }')],
    ['has a lone parameter without parentheses', made('id => session.done')],
    ['has a lone parameter and is async', made('async id => { session.done }')],
    ['has no parameters', made('() => ({ done: true })')],
    ['has a name that only begins alike', made('(id, done) => { doneAt(id); id.$done = undone }')],
    ['has rest parameters that it does not use', made('(id, ..._rest) => session[id]')],
    ['is a method that only declares it', method('async lookup(id, done, request) { return request }')],
    ['is bound, and does not declare it', made('(id) => session[id]').bind(null)],
  ]
  for (const [how, fn] of without) {
    it(`finds that a function does not use its second parameter where it ${how}`, () => {
      expect(usesParameter(fn, 2)).to.equal(false)
    })
  }

  it('tells a function that can only answer with undefined', () => {
    const silent = [
      '(identity) => { userId: identity.id }',
      'identity => { owner: 1 }',
      'function (id) { id.x }',
      'async (id) => {}',
    ]
    for (const text of silent) expect(returnsNothing(made(text)), text).to.equal(true)
    const answering = [
      '(identity) => ({ userId: identity.id })',
      'identity => identity',
      '({ id }) => id',
      'function (id) { return id }',
      '(id) => { if (id) return }',
    ]
    for (const text of answering) expect(returnsNothing(made(text)), text).to.equal(false)
    expect(returnsNothing(made('() => {}').bind(null))).to.equal(false)
  })
})
