import { expect } from 'chai'
import fc from 'fast-check'
import { Client } from '../../../lib/client/index.ts'
import { ParticleError } from '../../../lib/errors.ts'
import { applyDelta } from '../../../lib/model/delta.ts'
import type { Document, Model } from '../../../lib/model/document.ts'
import { type Delta, type DocumentOperation, OPERATIONS } from '../../../lib/model/operation.ts'
import { filterDelta, type Manifest } from '../../../lib/policy/manifest.ts'
import { decode } from '../../../lib/protocol/decode.ts'
import { encode } from '../../../lib/protocol/encode.ts'
import { EVENTS } from '../../../lib/protocol/messages.ts'
import { document, operation } from '../../model/generators.ts'
import { examples } from '../../protocol/examples.ts'
import { eventually } from '../../support/http.ts'

/** Runs a function that may refuse what it is given, by a ParticleError and by nothing else; and reaches no prototype. */
function tolerate<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof ParticleError)) throw error
    return undefined
  } finally {
    expect(Object.keys(Object.prototype)).to.deep.equal([])
    expect(Object.keys(Array.prototype)).to.deep.equal([])
  }
}

const odd = fc.constantFrom(
  ...[
    '',
    '.',
    '..',
    'a.',
    '.a',
    'a..b',
    'a[',
    'a]',
    '[1]',
    'a[]',
    'a[1][2]',
    'a[__proto__]',
    '__proto__',
    '0',
  ],
  ...['a.__proto__.x', 'constructor.prototype.x', '_id', '-1', 'a.-1', 'a.1e9', 'a.4294967295', 'a.1500001'],
  `a${'.a'.repeat(800)}`,
)
const path = fc.oneof(odd, fc.string(), fc.constantFrom('a', 'b', 'c.a', 'a.0', 'b.1.a'))
const name = fc.oneof(fc.constantFrom(...OPERATIONS), fc.string())
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom(undefined, Number.NaN, 1e308, { $each: 5 }, { $each: [1], $slice: {}, $sort: 'x' }),
  fc.constantFrom({ $regex: '(' }, { $where: '1' }, { $gt: { $gt: 1 } }, { $oid: 1 }, '__proto__', 'a.b.c'),
  fc.constant(JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')),
)
const id = fc.oneof(fc.constant(1), fc.constant(1), fc.jsonValue({ maxDepth: 1 }))
const hostile = fc.record(
  {
    operation: name,
    path,
    data: json,
    id,
    at: fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1)),
    keys: fc.array(fc.oneof(fc.string(), fc.integer(), fc.double()), { maxLength: 4 }),
  },
  { requiredKeys: ['operation', 'path', 'id'] },
)
const valid = fc.constantFrom(...OPERATIONS).chain((kind) => operation(kind).map((op) => ({ ...op, id: 1 })))
const oplist = fc.array(fc.oneof(hostile, valid), { maxLength: 6 }) as fc.Arbitrary<DocumentOperation[]>
const MANIFEST: Manifest = { a: true, b: { a: true }, c: { a: { b: true } }, 0: true }

const root = fc.oneof(fc.constantFrom('rows', '__proto__', 'constructor', 'toString', ''), fc.string())

/** Blocks of a stream: events that are right, events with another's data, and lines of any kind. */
const block = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...examples).map((event) => encode(event)) },
  fc
    .tuple(fc.constantFrom(...EVENTS), fc.constantFrom(...examples), fc.string())
    .map(([event, { data }, text]) => encode({ event, data }).replace('"a"', JSON.stringify(text))),
  fc
    .tuple(root, oplist)
    .map(([where, ops]) => encode({ event: 'delta', data: { root: where, timestamp: 't', oplist: ops } })),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('data\n\n', ':\n', 'id\0\n', 'retry: 0\n', 'event: delta\rdata: {}\r\r', '\uFEFF', '\n\n'),
)

/** Bytes as a hostile server may send them, in chunks that are cut anywhere. */
const chunks = fc
  .record({
    blocks: fc.array(block, { maxLength: 12 }),
    changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
    cuts: fc.array(fc.nat(), { maxLength: 4 }),
  })
  .map(({ blocks, changes, cuts }) => {
    const bytes = Buffer.from(blocks.join(''))
    for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value
    const at = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b)
    return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length))
  })

/** Shows a client of a stream all chunks, and returns what it told. */
async function show(sent: Uint8Array[]): Promise<{ client: Client; errors: unknown[] }> {
  const errors: unknown[] = []
  const isTaken = { all: false }
  const answer = { token: 't', stream: '/stream', expiresAt: '2100-01-01T00:00:00Z', heartbeat: 15_000 }
  const client = new Client({
    url: 'http://localhost/particle',
    notify: 'event',
    onError: (error: unknown) => errors.push(error),
    fetch: async (address) => {
      if (String(address).endsWith('handshake')) return Response.json(answer)
      if (isTaken.all) return new Response('', { status: 502 })
      const rest = [...sent]
      const body = new ReadableStream({
        pull: (controller) => {
          const chunk = rest.shift()
          if (chunk) controller.enqueue(chunk)
          else {
            isTaken.all = true
            controller.close()
          }
        },
      })
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
    },
  })
  await eventually(
    () => isTaken.all || ['refused', 'closed'].includes(client.status),
    'the end of the stream',
  )
  client.close()
  return { client, errors }
}

/** What must hold of whatever comes, each with a title. */
export const PROPERTIES: Record<string, fc.IRawProperty<unknown>> = {
  'decode gives an event, nothing, or a ParticleError': fc.property(
    fc.oneof(fc.constantFrom(...EVENTS), fc.string()),
    fc.oneof(
      fc.json(),
      fc.string(),
      fc.constantFrom(...examples).map(({ data }) => JSON.stringify(data)),
    ),
    fc.option(fc.string(), { nil: undefined }),
    (event, data, position) => void tolerate(() => decode(event, data, position)),
  ) as fc.IRawProperty<unknown>,

  'a client stays whole under any bytes of a stream': fc.asyncProperty(chunks, async (sent) => {
    const { client, errors } = await show(sent)
    for (const error of errors) expect(error).to.be.instanceOf(ParticleError)
    for (const documents of Object.values(client.data))
      for (const shown of documents ?? []) expect(shown).to.be.an('object')
    expect(Object.keys(Object.prototype)).to.deep.equal([])
  }) as fc.IRawProperty<unknown>,

  'applyDelta applies a delta or refuses it by a ParticleError': fc.property(
    root,
    fc.array(document, { maxLength: 2 }),
    oplist,
    (where, documents, ops) => {
      const model: Model = { rows: documents }
      const delta: Delta = { root: where, oplist: ops }
      tolerate(() => applyDelta(model, delta))
      for (const documents of Object.values(model))
        for (const shown of documents) expect(shown).to.be.an('object')
    },
  ) as fc.IRawProperty<unknown>,

  'filterDelta filters a delta or refuses it by a ParticleError': fc.property(
    fc.option(document, { nil: undefined }),
    fc.boolean(),
    oplist,
    (held: Document | undefined, looks, ops) => {
      const before = JSON.stringify([held, ops])
      const shown = tolerate(() => filterDelta(MANIFEST, ops, looks ? () => held : undefined))
      expect(JSON.stringify([held, ops])).to.equal(before)
      for (const op of shown ?? []) {
        const [first = ''] = op.path.split(/[.[]/)
        expect(
          ['.', '_id'].includes(first || '.') || Object.hasOwn(MANIFEST as object, first),
          op.path,
        ).to.equal(true)
      }
    },
  ) as fc.IRawProperty<unknown>,
}

/** Tries a property until the runs are made or the time is over; throws with a counterexample and its seed. */
export async function tryProperty(title: string, seed: number, limits: { runs: number; seconds: number }) {
  const property = PROPERTIES[title]
  if (!property) throw new Error(`There is no property "${title}"`)
  await fc.assert(property, {
    seed: seed | 0,
    numRuns: limits.runs,
    interruptAfterTimeLimit: limits.seconds * 1000,
  })
}
