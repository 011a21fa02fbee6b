import { expect } from 'chai'
import fc from 'fast-check'
import type { ParticleError } from '../../../lib/errors.ts'
import { applyDelta } from '../../../lib/model/delta.ts'
import type { Document, Model } from '../../../lib/model/document.ts'
import type { DocumentOperation } from '../../../lib/model/operation.ts'
import { createHandler } from '../../../lib/server/http/middleware.ts'
import { Server } from '../../../lib/server/server.ts'
import { CallbackAdapter } from '../../../lib/source/callbacks/adapter.ts'
import type { CallbackDelta, CallbackPayload, CallbackSource } from '../../../lib/source/callbacks/form.ts'
import type { Change } from '../../../lib/source/source.ts'
import { eventually, type Listening, listen } from '../../support/http.ts'
import { openStream, type SseReader } from '../../support/sse.ts'

type Listener = (delta: CallbackDelta) => void

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const op = (operation: string, path: string, data?: unknown, id: unknown = 1) => ({
  operation,
  id,
  path,
  data,
})

/** An adapter over a source, opened, with what it told. */
const follow = async (source: CallbackSource, timeout?: number) => {
  const errors: ParticleError[] = []
  const changes: Change[] = []
  const adapter = new CallbackAdapter(
    'users',
    source,
    { accountId: 1 },
    (error) => errors.push(error),
    timeout,
  )
  const unexpected = () => {
    throw new Error('A callback source has no such event')
  }
  const subscription = await adapter.open({
    changes: (told) => changes.push(...told),
    progress: unexpected,
    lost: unexpected,
    error: unexpected,
  })
  const read = async () => {
    const documents: Document[] = []
    const reading = await adapter.read('', {}, (batch) => void documents.push(...batch))
    return { ...reading, documents }
  }
  return { adapter, errors, changes, subscription, read }
}
const messageOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'it was taken',
    (error: ParticleError) => `${error.code}: ${error.message}`,
  )

describe('source/callbacks/adapter', () => {
  describe('payload', () => {
    const data = [{ _id: 1, at: new Date(0), left: undefined }]
    const forms: [string, CallbackSource['payload']][] = [
      ['a value', () => ({ data })],
      ['a promise', async () => ({ data })],
      ['done', (_identity, done) => done(null, { data })],
      [
        'done in a promise, as in 2013',
        (_identity, done) => Promise.resolve(data).then((data) => done(null, { data }), done),
      ],
    ]
    for (const [what, payload] of forms) {
      it(`is taken by ${what}, as JSON`, async () => {
        const { read, errors } = await follow({ payload })
        const { documents } = await read()
        expect(documents).to.deep.equal([{ _id: 1, at: '1970-01-01T00:00:00.000Z' }])
        expect(errors).to.deep.equal([])
      })
    }

    it('is asked with the identity', async () => {
      const seen: unknown[] = []
      const payload = (identity: unknown) => {
        seen.push(identity)
        return { data: [] }
      }
      const { read } = await follow({ payload, delta: (identity) => void seen.push(identity) })
      await read()
      expect(seen).to.deep.equal([{ accountId: 1 }, { accountId: 1 }])
    })

    it('tells its time, in any form', async () => {
      for (const timestamp of [new Date(5), 5, '1970-01-01T00:00:00.005Z']) {
        const { read } = await follow({ payload: () => ({ data: [], timestamp }) })
        expect((await read()).timestamp).to.equal('1970-01-01T00:00:00.005Z')
      }
      const { read } = await follow({ payload: () => ({ data: [], timestamp: 'yesterday' }) })
      expect(Date.parse((await read()).timestamp ?? '')).to.be.closeTo(Date.now(), 1000)
    })

    const malformed: [string, unknown, string][] = [
      ['nothing', null, 'payload of users must answer with { data: [...], timestamp }'],
      ['no data', {}, 'payload of users must answer with { data: [...], timestamp }'],
      [
        'data that is no array',
        { data: { _id: 1 } },
        'payload of users must answer with { data: [...], timestamp }',
      ],
      [
        'a document without _id',
        { data: [{ _id: 1 }, { a: 1 }] },
        'payload of users: data[1] is not a document with an _id',
      ],
      ['a scalar for a document', { data: [1] }, 'payload of users: data[0] is not a document with an _id'],
      ['an array for a document', { data: [[1]] }, 'payload of users: data[0] is not a document with an _id'],
    ]
    for (const [what, answer, message] of malformed) {
      it(`is refused with ${what}, and named`, async () => {
        const { read } = await follow({ payload: () => answer })
        expect(await messageOf(read())).to.equal(`SOURCE_FAILED: ${message}`)
      })
    }

    it('is named when it fails', async () => {
      const { read } = await follow({ payload: () => Promise.reject(new Error('down')) })
      expect(await messageOf(read())).to.equal('CALLBACK_FAILED: payload of users rejected: down')
    })
  })

  describe('delta', () => {
    const payload = () => ({ data: [] })

    it('becomes one change for each document, at one position, in order', async () => {
      let tell: Listener = () => {}
      const { changes, adapter, subscription } = await follow({
        payload,
        delta: (_identity, listener) => {
          tell = listener
        },
      })
      tell({
        timestamp: new Date(5),
        oplist: [
          op('set', 'a', new Date(0)),
          op('set', '.', { x: 1 }, 'b'),
          op('inc', 'n', 1),
          op('unset', '.', undefined, '1'),
        ],
      })
      tell({ oplist: [op('noop', '.')] })
      const [one, two, three, last] = changes
      expect([one, two, three].map((change) => change?.position)).to.deep.equal(Array(3).fill(one?.position))
      expect([one, two, three].map((change) => change?.transaction)).to.deep.equal(
        Array(3).fill(one?.position),
      )
      expect(one).to.deep.include({
        kind: 'update',
        timestamp: '1970-01-01T00:00:00.005Z',
        id: 1,
        operations: [
          { operation: 'set', path: 'a', data: '1970-01-01T00:00:00.000Z' },
          { operation: 'inc', path: 'n', data: 1 },
        ],
      })
      expect(two).to.deep.include({ id: 'b', operations: [{ operation: 'set', path: '.', data: { x: 1 } }] })
      expect(three).to.deep.include({ id: '1', operations: [{ operation: 'unset', path: '.' }] })
      expect(adapter.compare(subscription.position, one?.position ?? '')).to.be.below(0)
      expect(adapter.compare(last?.position ?? '', one?.position ?? '')).to.be.above(0)
    })

    it('asks for the payload again by reset: true', async () => {
      let tell: Listener = () => {}
      const { changes, errors } = await follow({
        payload,
        delta: (_identity, listener) => {
          tell = listener
        },
      })
      tell({ reset: true, oplist: [] })
      expect(changes.map(({ kind }) => kind)).to.deep.equal(['reload'])
      expect(errors).to.deep.equal([])
    })

    const malformed: [string, unknown, RegExp][] = [
      ['null', null, /^delta of users must give \{ timestamp, oplist/],
      ['no oplist', {}, /^delta of users must give \{ timestamp, oplist/],
      [
        'an unknown operation',
        { oplist: [op('set', 'a', 1), op('frob', 'a')] },
        /^delta of users: oplist\[1\] has no known/,
      ],
      [
        'no id',
        { oplist: [{ operation: 'set', path: 'a', data: 1 }] },
        /^delta of users: oplist\[0\] has no id/,
      ],
      ['no path', { oplist: [{ operation: 'set', id: 1 }] }, /^delta of users: oplist\[0\] has no path/],
      [
        '__proto__ in a path',
        { oplist: [op('set', '__proto__.admin', true)] },
        /^delta of users: oplist\[0\]: /,
      ],
      ['null for an operation', { oplist: [null] }, /^delta of users: oplist\[0\] has no known/],
      ['what JSON cannot hold', { oplist: [op('set', 'a', 1n)] }, /^delta of users: .*BigInt/],
    ]
    for (const [what, event, message] of malformed) {
      it(`is named when it is malformed by ${what}, and the payload is asked for again`, async () => {
        let tell: Listener = () => {}
        const { changes, errors } = await follow({
          payload,
          delta: (_identity, listener) => {
            tell = listener
          },
        })
        tell(event as CallbackDelta)
        expect(errors.map((error) => error.message).join()).to.match(message)
        expect(errors[0]?.name).to.equal('ParticleError')
        expect(changes.map(({ kind }) => kind)).to.deep.equal(['reload'])
        expect(({} as { admin?: boolean }).admin).to.equal(undefined)
      })
    }

    it('is stopped by the function that it returned, or promised, once; and is not listened to after', async () => {
      for (const wrap of [(stop: () => void) => stop, async (stop: () => void) => stop]) {
        let tell: Listener = () => {}
        let stops = 0
        const { changes, subscription } = await follow({
          payload,
          delta: (_identity, listener) => {
            tell = listener
            return wrap(() => {
              stops++
            })
          },
        })
        await subscription.close()
        expect(stops).to.equal(1)
        tell({ oplist: [op('set', 'a', 1)] })
        expect(changes).to.deep.equal([])
      }
    })

    it('may return nothing, or anything else', async () => {
      for (const given of [undefined, null, 5, { stop: true }]) {
        const { subscription, errors } = await follow({ payload, delta: () => given })
        await subscription.close()
        expect(errors).to.deep.equal([])
      }
    })

    it('names a stop function that fails', async () => {
      for (const stop of [() => raise(new Error('mine')), () => Promise.reject(new Error('mine'))]) {
        const { subscription, errors } = await follow({ payload, delta: () => stop })
        await subscription.close()
        expect(errors.map(({ message }) => message)).to.deep.equal([
          'delta of users threw as it was stopped: mine',
        ])
      }
    })

    it('is waited for, where it promises to listen', async () => {
      let listening = false
      const promise = async () => {
        await pause(10)
        listening = true
      }
      const deltas: (() => unknown)[] = [
        () => promise(),
        () => promise().then(() => () => {}),
        () => Object.assign(() => {}, { ready: promise() }),
        async () => Object.assign(() => {}, { ready: promise() }),
      ]
      for (const delta of deltas) {
        listening = false
        await follow({ payload, delta })
        expect(listening).to.equal(true)
      }
    })

    it('fails to open when it throws, rejects, or is never ready; a stop that there is already is called', async () => {
      const down = new Error('down')
      let stops = 0
      const unready = () => Object.assign(() => void stops++, { ready: Promise.reject(down) })
      const sayings = [
        await messageOf(follow({ payload, delta: () => raise(down) })),
        await messageOf(follow({ payload, delta: () => Promise.reject(down) })),
        await messageOf(follow({ payload, delta: unready })),
      ]
      expect(sayings).to.deep.equal([
        'CALLBACK_FAILED: delta of users threw: down',
        'CALLBACK_FAILED: delta of users rejected: down',
        'CALLBACK_FAILED: delta of users rejected: down',
      ])
      expect(stops).to.equal(1)
    })

    it('is not waited for without end, is named, and has the payload read again once it listens', async () => {
      let listen: () => void = () => {}
      const ready = new Promise<void>((resolve) => {
        listen = resolve
      })
      const { errors, changes } = await follow({ payload, delta: () => ready }, 20)
      expect(errors.map(({ message }) => message).join()).to.match(
        /^delta of users .* did not resolve within 20 ms/,
      )
      listen()
      await pause(5)
      expect(changes.map(({ kind }) => kind)).to.deep.equal(['reload'])
    })
  })

  describe('where payload and deltas meet', () => {
    /** A source that tells deltas while its payloads are under way: `during[n]` in the n-th reading. */
    const overtaken = async (
      during: (CallbackDelta[] | undefined)[],
      payloadOf: (reading: number) => Partial<CallbackPayload> = () => ({}),
      before: CallbackDelta[] = [],
    ) => {
      let tell: Listener = () => {}
      let readings = 0
      const made = await follow({
        payload: async () => {
          const reading = readings++
          await pause(1)
          for (const delta of during[reading] ?? []) tell(delta)
          return { data: [{ _id: 1 }], ...payloadOf(reading) }
        },
        delta: (_identity, listener) => {
          tell = listener
        },
      })
      for (const delta of before) tell(delta)
      const count = ({ from, to }: { from: string; to: string }) =>
        [from, to].map((text) => Number(text.split('-').pop()))
      return { ...made, readings: () => readings, count }
    }
    const SAFE = { oplist: [op('set', 'a', 1)] }
    const UNSAFE = { oplist: [op('inc', 'a', 1)] }

    it('repeats deltas that do no harm', async () => {
      const { read, readings, count, errors } = await overtaken([[SAFE, SAFE]], undefined, [SAFE])
      expect(count(await read())).to.deep.equal([1, 3])
      expect(readings()).to.equal(1)
      expect(errors).to.deep.equal([])
    })

    it('reads again when a delta came that must not be repeated', async () => {
      const { read, readings, count, errors } = await overtaken([[UNSAFE], [SAFE, UNSAFE], []])
      expect(count(await read())).to.deep.equal([3, 3])
      expect(readings()).to.equal(3)
      expect(errors).to.deep.equal([])
    })

    it('reads again when an element was taken away that a later operation by its id would make anew', async () => {
      for (const taking of [op('unset', 'list[5]'), op('set', 'list[5]', 1), op('set', 'list[5]._id', 6)]) {
        const { read, readings } = await overtaken([[{ oplist: [taking] }], []])
        await read()
        expect(readings(), taking.path).to.equal(2)
      }
      const { read, readings } = await overtaken([[{ oplist: [op('set', 'list[5].done', true)] }]])
      await read()
      expect(readings()).to.equal(1)
    })

    it('gives up after a while, and says so', async () => {
      const { read, readings, errors } = await overtaken(Array(20).fill([UNSAFE]))
      expect((await read()).documents).to.deep.equal([{ _id: 1 }])
      expect(readings()).to.equal(6)
      expect(errors.map(({ message }) => message).join()).to.match(
        /^payload of users: each of 6 readings was overtaken/,
      )
    })

    it('meets exactly by positions', async () => {
      const at = (position: number): CallbackDelta => ({ ...UNSAFE, position })
      const { read, readings, count, errors } = await overtaken(
        [[at(6), at(7), at(8)]],
        () => ({ position: 7 }),
        [at(5)],
      )
      expect(count(await read())).to.deep.equal([3, 3])
      expect(readings()).to.equal(1)
      expect(errors).to.deep.equal([])
    })

    it('meets exactly by positions that are dates or texts', async () => {
      for (const [a, b, c] of [
        [new Date(1), new Date(2), new Date(3)],
        ['a', 'b', 'c'],
      ]) {
        const during = [a, b, c].map((position) => ({
          ...UNSAFE,
          ...(position === undefined ? {} : { position }),
        }))
        const { read, count } = await overtaken([during], () => (b === undefined ? {} : { position: b }))
        expect(count(await read())).to.deep.equal([2, 2])
      }
    })

    it('does not trust positions where a delta came without one', async () => {
      const { read, readings } = await overtaken([[UNSAFE], []], () => ({ position: 7 }))
      await read()
      expect(readings()).to.equal(2)
    })

    it('reads again when the payload is older than what was told already', async () => {
      const { read, readings, errors } = await overtaken(
        [],
        (reading) => ({ position: reading < 2 ? 4 : 5 }),
        [{ ...SAFE, position: 5 }],
      )
      await read()
      expect(readings()).to.equal(3)
      expect(errors).to.deep.equal([])
    })
  })

  describe('behind a server', () => {
    let listening: Listening
    let server: Server
    const errors: Error[] = []
    const readers: SseReader[] = []
    const serve = async (source: CallbackSource<unknown>, disconnect?: () => void) => {
      errors.length = 0
      server = new Server({
        dataSources: { users: { manifest: true, ...source } },
        disconnect,
        onError: (error) => errors.push(error),
      })
      listening = await listen(createHandler(server))
    }
    const open = async () => {
      const reader = await openStream(`${listening.url}/particle/stream`)
      readers.push(reader)
      return reader
    }
    afterEach(async () => {
      for (const reader of readers.splice(0)) reader.close()
      await server.disconnect()
      await listening.close()
    })

    it('is listened to once for all clients of an identity, and stopped when the last one leaves', async () => {
      let starts = 0
      let stops = 0
      let payloads = 0
      await serve({
        payload: () => {
          payloads++
          return { data: [{ _id: 1 }] }
        },
        delta: async () => {
          starts++
          return () => void stops++
        },
      })
      const [one, two] = [await open(), await open()]
      await Promise.all([one.next('ready'), two.next('ready')])
      expect([starts, payloads, stops]).to.deep.equal([1, 1, 0])
      one.close()
      await eventually(() => server.stats().connections === 1, 'the first release')
      await pause(5)
      expect(stops).to.equal(0)
      two.close()
      await eventually(() => stops === 1, 'the stop')
      await (await open()).next('ready')
      expect([starts, payloads, stops]).to.deep.equal([2, 2, 1])
    })

    it('is stopped by disconnect, before the disconnect of the application', async () => {
      const order: string[] = []
      const stop = async () => {
        await pause(5)
        order.push('stop')
      }
      await serve({ payload: () => ({ data: [] }), delta: () => stop }, () => void order.push('disconnect'))
      await (await open()).next('ready')
      await server.disconnect()
      expect(order).to.deep.equal(['stop', 'disconnect'])
    })

    it('goes on serving after a malformed delta, from the payload', async () => {
      let tell: Listener = () => {}
      let email = 'a'
      await serve({
        payload: () => ({ data: [{ _id: 1, email }] }),
        delta: (_identity, listener) => {
          tell = listener
        },
      })
      const reader = await open()
      await reader.next('ready')
      email = 'b'
      tell({ oplist: [op('frob', 'email')] })
      // What there is now comes by a difference from what was there.
      expect((await reader.next('delta')).data.oplist).to.deep.equal([
        { operation: 'set', id: 1, path: '.', data: { _id: 1, email: 'b' } },
      ])
      await reader.next('ready')
      tell({ oplist: [op('set', 'email', 'c')] })
      expect((await reader.next('delta')).data.oplist[0]?.data).to.equal('c')
      expect(errors.map(({ message }) => message).join()).to.contain(
        'delta of users: oplist[0] has no known operation',
      )
    })

    it('tells clients no more than that it failed, and serves them when it works again', async () => {
      let fails = 1
      await serve({
        payload: () => (fails-- > 0 ? Promise.reject(new Error('password=hunter2')) : { data: [{ _id: 1 }] }),
      })
      const reader = await open()
      expect((await reader.next('error')).data).to.include({ root: 'users', code: 'SOURCE_FAILED' })
      await reader.next('ready')
      expect(reader.raw).not.to.contain('hunter2')
      expect(errors.map(({ message }) => message).join()).to.contain('hunter2')
    })

    it('leaves the client with what the source has, whatever deltas overtake its payloads', async function () {
      this.timeout(20_000)
      const operation = fc.oneof(
        fc.record({
          operation: fc.constantFrom('inc', 'set', 'push'),
          path: fc.constantFrom('a', 'b'),
          id: fc.integer({ min: 1, max: 3 }),
        }),
        fc.record({
          operation: fc.constantFrom('unset', 'insert'),
          path: fc.constant('.'),
          id: fc.integer({ min: 1, max: 3 }),
        }),
      )
      await fc.assert(
        fc.asyncProperty(
          fc.array(operation, { maxLength: 12 }),
          fc.boolean(),
          fc.nat({ max: 3 }),
          async (given, positions, pace) => {
            const model: Model = { users: [{ _id: 1, a: 0 }] }
            let position = 0
            let tell: Listener | undefined
            const write = ({
              operation: name,
              path,
              id,
            }: {
              operation: string
              path: string
              id: number
            }) => {
              const kind = name === 'insert' ? 'set' : path !== '.' && name !== 'inc' ? 'set' : name
              const data = name === 'insert' ? { _id: id, a: 0 } : kind === 'unset' ? undefined : 1
              const oplist = [op(kind, path, data, id)]
              applyDelta(model, {
                root: 'users',
                oplist: oplist.map((each) => structuredClone(each)) as DocumentOperation[],
              })
              position++
              tell?.({ oplist, ...(positions ? { position } : {}) })
            }
            await serve({
              payload: async () => {
                await pause(pace % 2)
                const answer = {
                  data: structuredClone(model.users ?? []),
                  ...(positions ? { position } : {}),
                }
                await pause(pace)
                return answer
              },
              delta: (_identity, listener) => {
                tell = listener
              },
            })
            const reader = await open()
            for (const each of given) {
              write(each)
              await new Promise((resolve) => setImmediate(resolve))
            }
            await reader.next('ready')
            await pause(3)
            let local: Model = {}
            for (const { event, data } of reader.events) {
              if (event === 'payload') local.users = data.data
              else if (event === 'delta') local = applyDelta(local, data as never)
            }
            const sorted = (documents: Document[] = []) =>
              [...documents].sort((x, y) => Number(x._id) - Number(y._id))
            expect(sorted(local.users)).to.deep.equal(sorted(model.users))
            reader.close()
            await server.disconnect()
            await listening.close()
          },
        ),
        { numRuns: 60 },
      )
    })
  })
})

function raise(error: Error): never {
  throw error
}
