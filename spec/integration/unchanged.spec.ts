import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import { type DataSource, Server } from '../../lib/index.ts'
import type { Document } from '../../lib/model/document.ts'
import { canonical } from '../../lib/model/json.ts'
import { matcher } from '../../lib/policy/criteria.ts'
import { filterPayload, type Manifest } from '../../lib/policy/manifest.ts'
import { parseSortLimit } from '../../lib/policy/order.ts'
import { SortedWindow } from '../../lib/server/view/sorted-window.ts'
import { type MemoryAdapter, memory } from '../../lib/source/memory/index.ts'
import type { Query } from '../../lib/source/source.ts'
import { LocalClient, until } from '../support/local.ts'
import { PartialSource, type Reporting } from '../support/partial-source.ts'
import { presenting } from '../support/sse.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

interface Shape {
  criteria?: Query
  sort?: Record<string, 1 | -1>
  limit?: number
}

const SHAPES: Record<string, Shape> = {
  'all documents': {},
  'some documents': { criteria: { team: 'a' } },
  'documents in order': { sort: { rank: 1 } },
  'the first documents': { criteria: { team: 'a' }, sort: { rank: -1 }, limit: 2 },
}
const REPORTINGS: readonly Reporting[] = ['operations and before', 'documents', 'document', 'fields']
const MANIFESTS: Record<string, Manifest> = {
  'whole fields': { name: true },
  'parts of objects and lists': { name: true, address: { city: true }, tags: { label: true } },
  'all fields': true,
}

const person = (_id: number) => ({
  _id,
  team: _id % 3 ? 'a' : 'b',
  rank: _id,
  name: `n${_id}`,
  address: { city: 'Bonn', zip: '53111' },
  tags: [{ label: 'x', note: 'y' }, 'hidden'],
  secret: 's',
})

const MARK = { ...person(99), team: 'a', rank: 99, name: 'mark' }

/** What a client of a shape is to hold. */
function imageOf(documents: readonly Document[], { criteria, sort, limit }: Shape, manifest: Manifest) {
  const matches = criteria ? matcher(criteria) : () => true
  const rows = documents.filter((one) => matches(one))
  const order = parseSortLimit(sort, limit, 'source')
  if (!order)
    return rows.sort((a, b) => Number(a._id) - Number(b._id)).map((one) => filterPayload(manifest, one))
  const all = new Map(rows.map((one) => [one._id, one]))
  return new SortedWindow(order, rows, true).visible
    .slice(0, limit)
    .map(({ document }) => filterPayload(manifest, all.get(document._id) ?? document))
}

function heldBy(client: LocalClient, { sort }: Shape) {
  const held = [...(client.model.people ?? [])]
  return sort ? held : held.sort((a, b) => Number(a._id) - Number(b._id))
}

const textOf = (documents: readonly Document[]) => canonical(documents as never)

const id = fc.integer({ min: 1, max: 6 })
const letter = fc.constantFrom('a', 'b', 'c')
const write = fc.oneof(
  fc.record({
    id,
    set: fc.oneof(
      fc.record({ secret: letter }),
      fc.record({ name: letter }),
      fc.record({ team: fc.constantFrom('a', 'b') }),
      fc.record({ rank: fc.integer({ min: 0, max: 7 }) }),
      fc.record({ 'address.zip': letter }),
      fc.record({ 'address.city': letter }),
      fc.record({ address: fc.record({ city: letter, zip: letter }) }),
      fc.record({ 'tags.0.note': letter }),
      fc.record({ 'tags.0.label': letter }),
      fc.record({ 'tags.1': letter }),
      fc.record({ tags: fc.array(fc.record({ label: letter, note: letter }), { maxLength: 2 }) }),
    ),
  }),
  fc.record({ id, replace: fc.record({ name: letter, secret: letter, rank: id }) }),
  fc.record({ id, replace: fc.record({ secret: letter }) }),
  fc.record({ id, push: letter }),
  fc.record({ id, remove: fc.constant(true) }),
  fc.record({ id, insert: fc.constant(true) }),
)
type Write = typeof write extends fc.Arbitrary<infer W> ? W : never

async function perform(store: MemoryAdapter, one: Write): Promise<void> {
  const people = store.collection('people')
  const which = { _id: one.id }
  if ('set' in one) await people.updateOne(which, { $set: one.set })
  else if ('push' in one) await people.updateOne(which, { $push: { tags: { note: one.push } } })
  else if ('remove' in one) await people.deleteOne(which)
  else if ('insert' in one) await people.insertOne(person(one.id)).catch(() => {})
  else {
    const now = await people.findOne(which)
    if (now) await people.replaceOne(which, { ...now, ...one.replace })
  }
}

describe('A write that changes nothing of what a client is shown', () => {
  const servers: Server[] = []
  const listening: http.Server[] = []
  const streams: StreamReader[] = []
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close()
    await Promise.all(servers.splice(0).map((server) => server.disconnect()))
    for (const each of listening.splice(0)) each.close()
  })

  const setUp = async (store: MemoryAdapter, reporting: Reporting, shape: Shape, manifest: Manifest) => {
    const server = new Server({
      secret: 'the secret of all nodes',
      dataSources: {
        people: {
          manifest,
          collection: new PartialSource(store, reporting).handle('people'),
          ...shape,
        } as DataSource,
      },
    })
    servers.push(server)
    return server
  }
  const listen = async (server: Server) => {
    const each = http.createServer(server.middleware()).listen(0)
    await once(each, 'listening')
    listening.push(each)
    return `http://localhost:${(each.address() as AddressInfo).port}/particle`
  }
  const filled = async () => {
    const store = memory()
    await store.collection('people').insertMany([1, 2, 3, 4, 5].map(person))
    return store
  }

  for (const reporting of [...REPORTINGS, 'operations'] as const) {
    for (const [what, shape] of Object.entries(SHAPES)) {
      const law = reporting === 'operations' ? 'may be told, but nothing is left out' : 'is not told'
      it(`${law}, where a view has ${what} and a source reports ${reporting}`, async () => {
        let silent = 0
        await fc.assert(
          fc.asyncProperty(
            fc.array(write, { minLength: 1, maxLength: 12 }),
            fc.constantFrom(...Object.values(MANIFESTS)),
            async (writes, manifest) => {
              const store = await filled()
              const server = await setUp(store, reporting, shape, manifest)
              const client = await LocalClient.connect(server)
              const all = () => store.collection('people').find().toArray()
              await until(() => client.ready)
              let image = textOf(imageOf(await all(), shape, manifest))
              let changes = 0
              const follow = async () => {
                const now = textOf(imageOf(await all(), shape, manifest))
                if (now === image) return false
                image = now
                changes++
                await until(
                  () => textOf(heldBy(client, shape)) === now,
                  `${now} by ${JSON.stringify(writes)}`,
                )
                return true
              }
              for (const one of writes) {
                await perform(store, one)
                if (!(await follow())) silent++
              }
              // Whatever is still on its way comes before this one.
              await store.collection('people').insertOne(shape.limit ? MARK : { ...MARK, rank: 0 })
              await follow()
              if (reporting !== 'operations') expect(client.of('delta').length).to.equal(changes)
              expect(client.of('reset')).to.deep.equal([])
              await server.disconnect()
            },
          ),
          { numRuns: 40 },
        )
        expect(silent).to.be.above(20)
      })
    }
  }

  /** Writes of which the manifest `parts of objects and lists` shows nothing. */
  const hide = async (store: MemoryAdapter) => {
    const people = store.collection('people')
    await people.updateOne({ _id: 1 }, { $set: { secret: 't' } })
    await people.updateOne({ _id: 1 }, { $set: { address: { city: 'Bonn', zip: '1' } } })
    await people.updateOne({ _id: 1 }, { $set: { 'tags.1': 'other' } })
    await people.updateOne({ _id: 1 }, { $set: { 'tags.0.note': 'z' } })
    await people.replaceOne({ _id: 1 }, { ...person(1), secret: 'u' })
  }
  const open = async (url: string, position?: string) => {
    const stream = await readStream(`${url}/stream`, presenting(undefined, position))
    streams.push(stream)
    await until(() => stream.names().includes('ready'), 'ready')
    return stream
  }
  const mark = (store: MemoryAdapter) => store.collection('people').insertOne(MARK)
  const marked = async (stream: StreamReader) => {
    await until(() => JSON.stringify(stream.events).includes('mark'), 'the mark')
    return stream.of('delta').flatMap(({ data }) => data.oplist.map(({ id }: { id: number }) => id))
  }
  const PARTS = MANIFESTS['parts of objects and lists'] as Manifest
  for (const reporting of REPORTINGS) {
    for (const [what, { limit: _, ...shape }] of Object.entries(SHAPES)) {
      it(`is not told to who comes back: ${what}, ${reporting}`, async () => {
        const store = await filled()
        const url = await listen(await setUp(store, reporting, shape, PARTS))
        const [first, gone] = [await open(url), await open(url)]
        gone.close()
        await hide(store)
        const back = await open(url, gone.lastId())
        expect([back.names().includes('payload'), back.of('delta')]).to.deep.equal([false, []])
        await mark(store)
        expect(await marked(back)).to.deep.equal([99])
        expect(await marked(first)).to.deep.equal([99])
      })
    }
  }
  for (const reporting of ['operations and before', 'documents'] as const) {
    for (const [what, { limit: _, ...shape }] of Object.entries(SHAPES)) {
      it(`is not told to who comes back to another node: ${what}, ${reporting}`, async () => {
        const store = await filled()
        const here = await listen(await setUp(store, reporting, shape, PARTS))
        const there = await listen(await setUp(store, reporting, shape, PARTS))
        const other = await readStream(`${there}/handshake`)
        other.close()
        const gone = await open(here)
        gone.close()
        await hide(store)
        const back = await open(there, gone.lastId())
        expect([back.names().includes('payload'), back.of('delta')]).to.deep.equal([false, []])
        await mark(store)
        expect(await marked(back)).to.deep.equal([99])
      })
    }
  }
})
