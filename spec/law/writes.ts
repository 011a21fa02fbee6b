import fc from 'fast-check'
import type { Writable } from './setting.ts'
import { HIDDEN } from './witness.ts'

/** One write, told in a few words. What it writes holds the run's own count of writes, so that no two states look alike by chance. */
export interface Write {
  text: string
  run: (collection: Writable, serial: number) => Promise<unknown>
  /** The one operation that says all it does, where there is one that can't be repeated. */
  operation?: { operation: string; path: string; data: unknown }
  /** It removes all documents at once. */
  whole?: true
}

const ids = fc.constantFrom<number | string>(1, 2, 3, 4, '1')
const teams = fc.constantFrom('red', 'blue', 'none')
const kinds = fc.constantFrom('x', 'y', 'z')

interface Shape {
  id: number | string
  team: string
  kind: string
  todos: number
}

const shapes = fc.record<Shape>({
  id: ids,
  team: teams,
  kind: kinds,
  todos: fc.integer({ min: 0, max: 2 }),
})

function document({ id, team, kind, todos }: Shape, serial: number): object {
  return {
    _id: id,
    name: `v${serial}`,
    secret: `${HIDDEN}${serial}`,
    team,
    kind,
    n: serial,
    place: { city: `c${serial}`, ...(kind === 'z' ? {} : { zip: serial }) },
    tags: ['a', `t${serial}`],
    todos: Array.from({ length: todos }, (_, index) => todo(serial + index)),
  }
}

function todo(serial: number): object {
  return { title: `t${serial}`, done: serial % 2 === 0, note: `${HIDDEN}${serial}` }
}

type Update = { text: string; of: (serial: number) => object; operation?: Write['operation'] }

/** Updates of one document or of many. */
const UPDATES: readonly Update[] = [
  { text: '$set name', of: (n) => ({ $set: { name: `v${n}` } }) },
  { text: '$set a long name', of: (n) => ({ $set: { name: `v${n}${'~'.repeat(70_000)}` } }) },
  { text: '$set secret', of: (n) => ({ $set: { secret: `${HIDDEN}${n}` } }) },
  { text: '$set nick, name', of: (n) => ({ $set: { nick: `v${n}`, name: `w${n}` } }) },
  { text: '$rename name', of: () => ({ $rename: { name: 'nick' } }) },
  { text: '$rename nick', of: () => ({ $rename: { nick: 'name' } }) },
  { text: '$rename name to hide it', of: () => ({ $rename: { name: 'label' } }) },
  { text: '$inc n', of: () => ({ $inc: { n: 1 } }), operation: { operation: 'inc', path: 'n', data: 1 } },
  { text: '$inc n, m', of: () => ({ $inc: { n: 2, m: 1 } }) },
  { text: '$mul n', of: () => ({ $mul: { n: 2 } }) },
  { text: '$max n', of: (n) => ({ $max: { n } }) },
  { text: '$unset name', of: () => ({ $unset: { name: '' } }) },
  { text: '$unset place', of: () => ({ $unset: { place: '' } }) },
  { text: '$unset n, $set team', of: () => ({ $unset: { n: '' }, $set: { team: 'red' } }) },
  { text: '$set place', of: (n) => ({ $set: { place: { city: `c${n}`, zip: n } } }) },
  { text: '$set place.city', of: (n) => ({ $set: { 'place.city': `c${n}` } }) },
  { text: '$set place.zip', of: (n) => ({ $set: { 'place.zip': n } }) },
  { text: '$unset place.city', of: () => ({ $unset: { 'place.city': '' } }) },
  { text: '$set todos.0.done', of: (n) => ({ $set: { 'todos.0.done': n } }) },
  { text: '$set todos.1.note', of: (n) => ({ $set: { 'todos.1.note': `${HIDDEN}${n}` } }) },
  { text: '$set todos.2', of: (n) => ({ $set: { 'todos.2': todo(n) } }) },
  { text: '$set team to a list', of: (n) => ({ $set: { team: [n % 2 ? 'red' : 'blue', 'none'] } }) },
  { text: '$set team.0', of: (n) => ({ $set: { 'team.0': n % 2 ? 'red' : 'blue' } }) },
  { text: '$set kind to a list', of: (n) => ({ $set: { kind: ['x', n % 2 ? 'y' : 'z'] } }) },
  { text: '$pull kind', of: () => ({ $pull: { kind: 'x' } }) },
  { text: '$unset kind', of: () => ({ $unset: { kind: '' } }) },
  { text: '$rename kind', of: () => ({ $rename: { kind: 'was' } }) },
  { text: '$rename was', of: () => ({ $rename: { was: 'kind' } }) },
  { text: '$push todos', of: (n) => ({ $push: { todos: todo(n) } }) },
  { text: '$pop todos', of: () => ({ $pop: { todos: -1 } }) },
  { text: '$pull todos', of: () => ({ $pull: { todos: { done: true } } }) },
  {
    text: '$push tags',
    of: () => ({ $push: { tags: 'p' } }),
    operation: { operation: 'push', path: 'tags', data: 'p' },
  },
  { text: '$addToSet tags', of: (n) => ({ $addToSet: { tags: `s${n % 3}` } }) },
  { text: '$pull tags', of: () => ({ $pull: { tags: 'p' } }) },
  { text: '$push tags, $inc n', of: () => ({ $push: { tags: 'q' }, $inc: { n: 1 } }) },
]

const updates = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...UPDATES) },
  { weight: 1, arbitrary: fc.constantFrom(...UPDATES.filter(({ operation }) => operation)) },
  {
    weight: 1,
    arbitrary: teams.map((team): Update => ({ text: `$set team ${team}`, of: () => ({ $set: { team } }) })),
  },
  {
    weight: 1,
    arbitrary: kinds.map(
      (kind): Update => ({ text: `$set kind ${kind}, name`, of: (n) => ({ $set: { kind, name: `v${n}` } }) }),
    ),
  },
)

const named = ({ id, team, kind }: Shape) => `${JSON.stringify(id)} ${team} ${kind}`

/** Any write. */
export const writes: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 6,
    arbitrary: shapes.map(
      (shape): Write => ({
        text: `insert ${named(shape)}`,
        run: (collection, serial) => collection.insertOne(document(shape, serial)),
      }),
    ),
  },
  {
    weight: 12,
    arbitrary: fc.tuple(ids, updates).map(
      ([_id, { text, of, operation }]): Write => ({
        text: `${text} of ${JSON.stringify(_id)}`,
        run: (collection, serial) => collection.updateOne({ _id }, of(serial)),
        ...(operation ? { operation } : {}),
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.option(teams), updates).map(
      ([team, { text, of }]): Write => ({
        text: `${text} of all${team ? ` ${team}` : ''}`,
        run: (collection, serial) => collection.updateMany(team ? { team } : {}, of(serial)),
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: shapes.map(
      (shape): Write => ({
        text: `replace ${named(shape)}`,
        run: (collection, serial) => collection.replaceOne({ _id: shape.id }, document(shape, serial)),
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: ids.map(
      (_id): Write => ({
        text: `delete ${JSON.stringify(_id)}`,
        run: (collection) => collection.deleteOne({ _id }),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(shapes, shapes).map(
      (both): Write => ({
        text: `insert many ${both.map(named).join(', ')}`,
        run: (collection, serial) => collection.insertMany(both.map((shape) => document(shape, serial))),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.option(teams).map(
      (team): Write => ({
        text: `delete all${team ? ` ${team}` : ''}`,
        run: (collection) => collection.deleteMany(team ? { team } : {}),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Write>({ text: 'drop', whole: true, run: (collection) => collection.drop() }),
  },
)

/** What the stores hold before anybody comes. */
export function seed(collection: Writable): Promise<unknown> {
  const shape = { team: 'red', kind: 'y', todos: 1 }
  return collection.insertMany([
    document({ id: 1, ...shape }, -2),
    document({ id: 2, ...shape, team: 'blue' }, -1),
    document({ id: 3, ...shape, kind: 'x' }, 0),
  ])
}
