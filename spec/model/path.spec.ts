import { expect } from 'chai'
import { isPathName, parsePath } from '../../lib/model/path.ts'
import { refusal } from './refusal.ts'

describe('parsePath', () => {
  const good: [string, unknown[]][] = [
    ['.', []],
    ['address', ['address']],
    ['address.street', ['address', 'street']],
    ['todos.0.done', ['todos', '0', 'done']],
    ['secret1', ['secret1']],
    ['todos[5].done', ['todos', { id: '5' }, 'done']],
    ['todos[5]', ['todos', { id: '5' }]],
    ['grid[1][2]', ['grid', { id: '1' }, { id: '2' }]],
    ['todos[a.b].done', ['todos', { id: 'a.b' }, 'done']],
    ['two words.ünïcode.😀', ['two words', 'ünïcode', '😀']],
    ['a\nb', ['a\nb']],
    ['toString.hasOwnProperty', ['toString', 'hasOwnProperty']],
  ]
  for (const [path, segments] of good) {
    it(`reads ${JSON.stringify(path)}`, () => expect(parsePath(path)).to.deep.equal(segments))
  }

  const bad = [
    '',
    '..',
    'a.',
    '.a',
    'a..b',
    'a[',
    'a]',
    'a[]',
    'a[5',
    'a[5]b',
    '[5]',
    'a.[5]',
    'a[5].',
    'a[[5]]',
    '__proto__',
    'constructor',
    'a.prototype',
    'a.__proto__.b',
    'a[__proto__].b',
  ]
  for (const path of bad) {
    it(`refuses ${JSON.stringify(path)}`, () =>
      expect(refusal(() => parsePath(path))).to.equal('INVALID_PATH'))
  }

  it('tells which names can stand in a path', () => {
    expect(['a', '0', 'two words', 'toString'].every(isPathName)).to.equal(true)
    expect(['', 'a.b', 'a[0', 'a]', '__proto__', 'constructor', 'prototype'].some(isPathName)).to.equal(false)
  })
})
