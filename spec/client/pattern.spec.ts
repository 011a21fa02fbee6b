import { expect } from 'chai'
import { parsePattern, touchTest, unmatched } from '../../lib/client/pattern.ts'
import type { DocumentOperation } from '../../lib/model/operation.ts'

const touches = (pattern: string, path?: string, more: Partial<DocumentOperation> = {}) =>
  touchTest(
    'users',
    path === undefined ? undefined : [{ operation: 'set', id: 1, path, data: 1, ...more }],
  )(parsePattern(pattern))

describe('pattern', () => {
  const cases: [pattern: string, touched: string[], untouched: string[]][] = [
    ['users', ['.', 'name', 'address.street', 'todos[5].done'], []],
    ['users.*', ['.', 'name', 'address'], ['address.street', 'todos.0']],
    ['users.**', ['.', 'name', 'address.street', 'todos[5].done'], []],
    [
      'users.address.*',
      ['.', 'address', 'address.street'],
      ['name', 'address.street.number', 'addresses.street'],
    ],
    ['users.address', ['.', 'address'], ['address.street', 'name']],
    [
      'users.todos.*.done',
      ['.', 'todos', 'todos.0', 'todos.0.done', 'todos[5].done', 'todos["a.b"].done'],
      ['todos.0.text', 'name'],
    ],
    ['users.**.done', ['.', 'done', 'todos.0.done', 'todos'], []],
    ['**', ['.', 'name', 'address.street'], []],
    ['*.name', ['.', 'name'], ['email']],
    ['people', [], ['.', 'name']],
    ['people.**', [], ['.', 'name']],
  ]
  for (const [pattern, touched, untouched] of cases) {
    for (const path of touched)
      it(`${pattern} is touched by ${path}`, () => expect(touches(pattern, path)).to.equal(true))
    for (const path of untouched)
      it(`${pattern} is not touched by ${path}`, () => expect(touches(pattern, path)).to.equal(false))
  }

  it('is touched wherever its root is replaced as a whole', () => {
    for (const pattern of ['users', 'users.a.b.c', 'users.*', 'users.**', '*.a'])
      expect(touches(pattern)).to.equal(true)
    expect(touches('people.a')).to.equal(false)
  })

  it('is touched by both ends of a rename, and by nothing that a noop names', () => {
    expect(touches('users.a', 'a', { operation: 'rename', data: 'b' })).to.equal(true)
    expect(touches('users.b', 'a', { operation: 'rename', data: 'b' })).to.equal(true)
    expect(touches('users.a', 'a', { operation: 'noop' })).to.equal(false)
  })

  it('is refused when it is malformed', () => {
    for (const pattern of ['', '.', 'users.', '.users', 'users..a', 'users.a*', 'users.***', 5, undefined]) {
      expect(() => parsePattern(pattern as string), String(pattern))
        .to.throw()
        .with.property('code', 'INVALID_OPTION')
    }
  })

  describe('and the manifest', () => {
    const roots = {
      users: { name: true, address: { street: true, geo: { at: true } }, todos: { title: true } },
      'audit.log': true,
      tasks: true,
    } as const
    const missing = (pattern: string) => unmatched(pattern, parsePattern(pattern), roots)

    it('report no mistake for a pattern of all roots while there is no root', () => {
      for (const pattern of ['**', '*', '*.name'])
        expect(unmatched(pattern, parsePattern(pattern), {})).to.equal(undefined)
      expect(unmatched('users', ['users'], {})).to.include('there is no root "users"')
    })

    const reached = [
      'users',
      'users.name',
      'users._id',
      'users.**',
      'users.name.first',
      'users.address.*',
      'users.address.geo.at',
      'users.*.street',
      'users.todos.*.title',
      'users.todos.0.title',
      'users.todos.[5].title',
      'users.todos.*.*.title',
      'audit.log.whatever',
      'tasks.anything.at.all',
      '*',
      '*.name',
      '**',
    ]
    for (const pattern of reached)
      it(`${pattern} can be touched`, () => expect(missing(pattern)).to.equal(undefined))

    const unreached: [pattern: string, meant: string][] = [
      ['jbs', 'there is no root "jbs"; there is "users", "audit.log", "tasks"'],
      ['user.name', 'there is no root "user"; there is "users", "audit.log", "tasks"'],
      ['users.mame', 'no field "mame"; there is "_id", "name", "address", "todos"'],
      ['users.adress.street', 'no field "adress"; there is "_id", "name", "address", "todos"'],
      ['users.address.stret', 'no field "stret"; there is "street", "geo"'],
      ['users.todos.0.titel', 'no field "titel"; there is "title"'],
      ['users.0', 'no field "0"; there is "_id", "name", "address", "todos"'],
    ]
    for (const [pattern, meant] of unreached)
      it(`${pattern} can't be touched: ${meant}`, () => expect(missing(pattern)).to.include(meant))
  })
})
