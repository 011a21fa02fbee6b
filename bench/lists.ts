/** A process in which a library for clients holds a sorted list, and changes it. */

import { createCollection, createLiveQueryCollection, type SyncConfig } from '@tanstack/db'
import { createRxDatabase } from 'rxdb'
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory'
import { serve } from './child.ts'
import { fedClient } from './fed-client.ts'

/** A document of a list that is sorted by `place`. */
interface Item {
  id: string
  place: number
  note: string
}

/** A list of one of the libraries. Each method resolves once the list that it shows is the new one. */
interface SortedList {
  put(...items: Item[]): unknown
  remove(item: Item): unknown
  /** Reads the document at an index of the present list. */
  read(index: number): unknown
}

type Kind = 'particle' | '@tanstack/db' | 'rxdb'

async function particle(items: readonly Item[]): Promise<SortedList> {
  const { client, send } = await fedClient(items.map(({ id, ...rest }) => ({ _id: id, ...rest })))
  const held = new Map(items.map((item) => [item.id, item.place]))
  const deliver = (operations: unknown[][]) => send('delta', JSON.stringify(['people', ...operations]))
  return {
    put: (...changed) =>
      deliver(
        changed.map(({ id, place, note }) => {
          const moves = held.get(id) !== place
          held.set(id, place)
          // The server tells the index of a document that moves.
          if (moves) return ['set', id, '.', { place, note }, Math.floor(place)]
          return ['set', id, 'note', note]
        }),
      ),
    remove({ id }) {
      held.delete(id)
      deliver([['unset', id, '.']])
    },
    read: (index) => client.getSnapshot('people')[index],
  }
}

async function tanstack(items: readonly Item[]): Promise<SortedList> {
  let sync: Parameters<SyncConfig<Item, string>['sync']>[0] | undefined
  const held = new Set<string>()
  const source = createCollection<Item, string>({
    getKey: ({ id }) => id,
    startSync: true,
    sync: {
      sync(given) {
        sync = given
      },
    },
  })
  const put = (changed: readonly Item[]) => {
    sync?.begin()
    for (const value of changed) {
      sync?.write({ type: held.has(value.id) ? 'update' : 'insert', value })
      held.add(value.id)
    }
    sync?.commit()
  }
  put(items.map((item) => ({ ...item })))
  sync?.markReady()
  const list = createLiveQueryCollection({
    query: (query) => query.from({ item: source }).orderBy(({ item }) => item.place, 'asc'),
    startSync: true,
  })
  await list.preload()
  return {
    put: (...changed) => put(changed),
    remove(value) {
      held.delete(value.id)
      sync?.begin()
      sync?.write({ type: 'delete', value })
      sync?.commit()
    },
    read: (index) => list.toArray[index],
  }
}

async function rxdb(items: readonly Item[]): Promise<SortedList> {
  const database = await createRxDatabase({ name: 'bench', storage: getRxStorageMemory() })
  const place = { type: 'number', minimum: 0, maximum: 1e7, multipleOf: 0.001 }
  const id = { type: 'string', maxLength: 20 }
  const schema = {
    version: 0,
    primaryKey: 'id',
    type: 'object',
    properties: { id, place, note: { type: 'string' } },
    required: ['id', 'place', 'note'],
    indexes: ['place'],
  }
  const { people } = await database.addCollections({ people: { schema } })
  if (!people) throw new Error('RxDB made no collection.')
  await people.bulkInsert([...items])
  let shown: readonly unknown[] = []
  let next = () => {}
  people.find({ sort: [{ place: 'asc' }] }).$.subscribe((documents) => {
    shown = documents
    next()
  })
  const emitted = () =>
    new Promise<void>((resolve) => {
      next = resolve
    })
  await emitted()
  return {
    async put(...changed) {
      const told = emitted()
      await people.bulkUpsert(changed)
      await told
    },
    async remove({ id }) {
      const told = emitted()
      await people.bulkRemove([id])
      await told
    },
    read: (index) => shown[index],
  }
}

const LISTS = { particle, '@tanstack/db': tanstack, rxdb }

serve({
  /** Tells the median time of each operation, in microseconds. */
  async measure({ kind, documents, seconds }: { kind: Kind; documents: number; seconds: number }) {
    const items = Array.from({ length: documents }, (_, place) => ({
      id: `item ${place}`,
      place,
      note: 'none',
    }))
    const list = await LISTS[kind](items)
    let step = 0
    // Prime numbers as strides lead to all items and places.
    const item = () => items[(++step * 7919) % documents] ?? { id: 'none', place: 0, note: '' }
    const place = () => ((step * 104_729) % documents) + (step % 1000) / 1000
    const note = () => `note ${step}`
    const inserted: Item[] = []
    const operations = {
      move() {
        const moved = item()
        moved.place = place()
        return list.put({ ...moved })
      },
      async set() {
        await list.put({ ...item(), note: note() })
        list.read(documents >> 1)
      },
      insert() {
        item()
        const fresh = { id: `fresh ${step}`, place: place(), note: note() }
        inserted.push(fresh)
        return list.put(fresh)
      },
      remove() {
        const fresh = inserted.shift()
        return fresh && list.remove(fresh)
      },
      two: () => list.put({ ...item(), note: note() }, { ...item(), note: note() }),
    }
    const timesOf = async (operation: () => unknown) => {
      const times: number[] = []
      const end = performance.now() + seconds * 1000
      while (times.length < 2000 && (performance.now() < end || times.length < 3)) {
        const start = performance.now()
        await operation()
        times.push(performance.now() - start)
        if (operation === operations.remove && inserted.length === 0) break
      }
      return times.sort((a, b) => a - b)
    }
    // The first round warms up: the code is compiled, and the garbage of the load is collected.
    const figures: Record<string, number> = {}
    for (const _round of ['warm-up', 'measured']) {
      for (const [name, operation] of Object.entries(operations)) {
        const times = await timesOf(operation)
        figures[name] = 1000 * (times[times.length >> 1] ?? Number.NaN)
      }
      globalThis.gc?.()
    }
    return figures
  },
})
