import { inspect } from 'node:util'
import { expect } from 'chai'
import type { Document } from '../../lib/model/document.ts'
import { Entry, Sequence } from '../../lib/model/sequence.ts'
import { frozenView } from '../../lib/model/snapshot.ts'

const documents: Document[] = Array.from({ length: 100 }, (_, _id) => ({ _id, n: _id % 7 }))
function viewOf(): readonly Document[] {
  const sequence = new Sequence()
  for (const document of documents) sequence.add(new Entry(document))
  return frozenView(sequence.image())
}

describe('A frozen view', () => {
  it('is an array for all that ask, whatever is asked first', () => {
    const questions: ((array: readonly Document[]) => unknown)[] = [
      (array) => array.length,
      (array) => array[7],
      (array) => array[100],
      (array) => array[-1],
      (array) => (array as unknown as Record<string, unknown>)['007'],
      (array) => array.at(-1),
      (array) => array.constructor === Array,
      (array) => Array.isArray(array),
      (array) => Object.isFrozen(array),
      (array) => Object.isExtensible(array),
      (array) => Object.getPrototypeOf(array) === Array.prototype,
      (array) => Object.keys(array),
      (array) => Object.getOwnPropertyDescriptor(array, 3),
      (array) => Object.getOwnPropertyDescriptor(array, 'length'),
      (array) => [7 in array, 100 in array, 'map' in array, Symbol.iterator in array],
      (array) => Reflect.ownKeys(array),
      (array) => [...array],
      (array) => Array.from(array),
      (array) => ([] as Document[]).concat(array),
      (array) => array.concat([{ _id: 'x' }]),
      (array) => array.map(({ _id }) => _id),
      (array) => array.filter(({ n }) => n === 3),
      (array) => array.slice(10, 20),
      (array) => array.find(({ n }) => n === 5),
      (array) => array.findIndex(({ n }) => n === 5),
      (array) => array.toSorted((a, b) => Number(a.n) - Number(b.n)),
      (array) => array.indexOf(documents[3] ?? {}),
      (array) => [...array.entries()].length,
      (array) => JSON.stringify(array),
      (array) => inspect(array),
      (array) => inspect({ array }),
      (array) => structuredClone([...array]),
    ]
    const plain = Object.freeze([...documents])
    for (const question of questions) {
      const view = viewOf()
      expect(question(view), String(question)).to.deep.equal(question(plain))
      expect(view, String(question)).to.deep.equal(plain)
      expect(question(view), `${question}, once it is filled`).to.deep.equal(question(plain))
    }
  })

  it('refuses each change, before and after it was read', () => {
    const attempts: ((array: Document[]) => unknown)[] = [
      (array) => array.push({}),
      (array) => array.sort(),
      (array) => array.splice(0, 1),
      (array) => {
        array[0] = {}
      },
      (array) => {
        array.length = 0
      },
      (array) => {
        delete array[0]
      },
      (array) => Object.defineProperty(array, 'more', { value: 1 }),
      (array) => Object.setPrototypeOf(array, null),
    ]
    for (const attempt of attempts) {
      const view = viewOf() as Document[]
      expect(() => attempt(view), String(attempt)).to.throw(TypeError)
      expect(view).to.deep.equal(documents)
      expect(() => attempt(view), String(attempt)).to.throw(TypeError)
      expect(view).to.deep.equal(documents)
    }
  })
})
