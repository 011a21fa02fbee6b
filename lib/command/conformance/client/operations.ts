import type { Json } from '../../../model/document.ts'
import type { OperationName } from '../../../model/operation.ts'
import { check, checkEqual, shown, type Tests } from '../case.ts'
import type { ClientScene } from './scene.ts'

type Fields = Record<string, Json>

/** An operation, and what it makes of the fields of a document. */
type Effect = [operation: OperationName, path: string, data: Json | undefined, before: Fields, after: Fields]

/** The effects of each operation, by the rule that states them. */
const EFFECTS: Readonly<Record<string, readonly Effect[]>> = {
  O1: [
    ['set', 'a', 2, { a: 1 }, { a: 2 }],
    ['set', 'a', null, { a: 1 }, { a: null }],
    ['set', 'b.c', 2, { a: 1 }, { a: 1, b: { c: 2 } }],
    ['unset', 'a', undefined, { a: 1, b: 2 }, { b: 2 }],
    ['unset', 'a', undefined, { b: 2 }, { b: 2 }],
    ['inc', 'a', 2, { a: 1 }, { a: 3 }],
    ['inc', 'a', -2.5, { a: 1 }, { a: -1.5 }],
    ['inc', 'a', 2, {}, { a: 2 }],
    ['mul', 'a', 3, { a: 2 }, { a: 6 }],
    ['mul', 'a', 3, {}, { a: 0 }],
    ['min', 'a', 1, { a: 2 }, { a: 1 }],
    ['min', 'a', 3, { a: 2 }, { a: 2 }],
    ['max', 'a', 3, { a: 2 }, { a: 3 }],
    ['max', 'a', 1, { a: 2 }, { a: 2 }],
    ['max', 'a', 'b', { a: 'a' }, { a: 'b' }],
    ['rename', 'a', 'b', { a: 1 }, { b: 1 }],
    ['rename', 'a', 'b.c', { a: 1 }, { b: { c: 1 } }],
    ['push', 'a', 3, { a: [1, 2] }, { a: [1, 2, 3] }],
    ['push', 'a', [3], { a: [1] }, { a: [1, [3]] }],
    ['push', 'a', 1, {}, { a: [1] }],
    ['push', 'a', { $each: [3, 4] }, { a: [1] }, { a: [1, 3, 4] }],
    ['push', 'a', { $each: [3, 4], $position: 1 }, { a: [1, 2] }, { a: [1, 3, 4, 2] }],
    ['push', 'a', { $each: [3], $slice: -2 }, { a: [1, 2] }, { a: [2, 3] }],
    ['push', 'a', { $each: [2], $sort: 1 }, { a: [3, 1] }, { a: [1, 2, 3] }],
    ['push', 'a', { $each: [{ b: 2 }], $sort: { b: -1 } }, { a: [{ b: 1 }] }, { a: [{ b: 2 }, { b: 1 }] }],
    ['pushAll', 'a', [2, 3], { a: [1] }, { a: [1, 2, 3] }],
    ['addToSet', 'a', 2, { a: [1] }, { a: [1, 2] }],
    ['addToSet', 'a', 1, { a: [1] }, { a: [1] }],
    ['addToSet', 'a', { $each: [1, 2, 2] }, { a: [1] }, { a: [1, 2] }],
    ['addToSet', 'a', { b: 1 }, { a: [{ b: 1 }] }, { a: [{ b: 1 }] }],
    ['pop', 'a', 1, { a: [1, 2] }, { a: [1] }],
    ['pop', 'a', -1, { a: [1, 2] }, { a: [2] }],
    ['pull', 'a', 1, { a: [1, 2, 1] }, { a: [2] }],
    ['pull', 'a', [1], { a: [[1], 1] }, { a: [1] }],
    ['pullAll', 'a', [{ b: 1 }], { a: [{ b: 1 }, { b: 2 }] }, { a: [{ b: 2 }] }],
    ['pullAll', 'a', [1, 2], { a: [1, 2, 3] }, { a: [3] }],
    ['truncate', 'a', 1, { a: [1, 2, 3] }, { a: [1] }],
    ['noop', 'a', undefined, { a: 1 }, { a: 1 }],
  ],
  O2: [
    ['set', 'a.1', 5, { a: [1, 2] }, { a: [1, 5] }],
    ['set', 'a.1.b', 5, { a: [1, { b: 2 }] }, { a: [1, { b: 5 }] }],
    ['inc', 'a[7].n', 2, { a: [{ _id: 6 }, { _id: 7, n: 1 }] }, { a: [{ _id: 6 }, { _id: 7, n: 3 }] }],
    ['set', 'a[x].n', 2, { a: [{ _id: 'x' }] }, { a: [{ _id: 'x', n: 2 }] }],
    ['unset', 'a[7].n', undefined, { a: [{ _id: 7, n: 1 }] }, { a: [{ _id: 7 }] }],
    ['set', 'a[7].n', 2, { a: [] }, { a: [{ _id: 7, n: 2 }] }],
    ['set', 'a[x].n', 2, {}, { a: [{ _id: 'x', n: 2 }] }],
  ],
  O3: [
    ['inc', 'a', undefined, { a: 1 }, { a: 2 }],
    ['pop', 'a', undefined, { a: [1, 2] }, { a: [1] }],
  ],
}

/** The cases about operations. */
export const OPERATIONS: Tests<ClientScene> = {
  ...Object.fromEntries(
    Object.entries(EFFECTS).flatMap(([rule, effects]) =>
      [...new Set(effects.map(([operation]) => operation))].map((operation) => {
        const own = effects.filter(([name]) => name === operation)
        const places = { O1: '', O2: ' at an element of an array', O3: ' without data' }
        const sentence = `${rule} ${operation}${places[rule as keyof typeof places]}`
        return [sentence, (scene: ClientScene) => apply(scene, own)]
      }),
    ),
  ),
  async 'O4 set of the path . inserts at the end, or replaces in place; unset removes'(scene) {
    const stream = await scene.start({ notes: [{ _id: 1, a: 1 }, { _id: 'x' }, { _id: 3 }] })
    scene.delta(stream, 'notes', [
      { operation: 'set', id: 1, path: '.', data: { _id: 1, b: 2 } },
      { operation: 'set', id: 4, path: '.', data: { _id: 4 } },
      { operation: 'unset', id: 'x', path: '.' },
    ])
    await scene.shows(stream, { notes: [{ _id: 1, b: 2 }, { _id: 3 }, { _id: 4 }] })
  },
  async 'O5 operations on documents that the client does not have do nothing'(scene) {
    const notes = [{ _id: 1 }]
    const stream = await scene.start({ notes })
    scene.delta(stream, 'notes', [
      { operation: 'inc', id: 2, path: 'a', data: 1 },
      { operation: 'set', id: '1', path: 'a', data: 1 },
      { operation: 'unset', id: 3, path: '.' },
      { operation: 'noop', id: 4, path: '.', at: 0 },
    ])
    await scene.shows(stream, { notes })
  },
  ...Object.fromEntries(
    ['__proto__', 'constructor', 'prototype'].map((name) => [
      `O6 a path with ${name} is refused`,
      async (scene: ClientScene) => {
        const notes = [{ _id: 1 }]
        const stream = await scene.start({ notes })
        scene.delta(stream, 'notes', [{ operation: 'set', id: 1, path: `a.${name}.b`, data: 1 }])
        const next = await scene.stream('a stream after an event that could not be applied')
        checkEqual(next.position, '', 'the position of the next stream')
      },
    ]),
  ),
}

/** Applies each operation to a document of its own, and checks them all at the end. */
async function apply(scene: ClientScene, effects: readonly Effect[]): Promise<void> {
  const notes = effects.map(([, , , before], _id) => ({ _id, ...before }))
  const stream = await scene.start({ notes })
  for (const [id, [operation, path, data]] of effects.entries())
    scene.delta(stream, 'notes', [
      data === undefined ? { operation, id, path } : { operation, id, path, data },
    ])
  const model = (await scene.settled(stream)).data.notes
  check(Array.isArray(model), `notes is a list, and not ${shown(model)}`)
  for (const [_id, [operation, path, data, before, after]] of effects.entries())
    checkEqual(
      model[_id],
      { _id, ...after },
      `${shown({ _id, ...before })} after ${shown({ operation, path, data })}`,
    )
}
