import { expect } from 'chai'
import type { Document } from '../../../lib/model/document.ts'
import type { Manifest } from '../../../lib/policy/manifest.ts'
import { Server } from '../../../lib/server/index.ts'
import { type CallbackDelta, parseOplist } from '../../../lib/source/callbacks/form.ts'
import { LocalClient, until } from '../../support/local.ts'

type Given = CallbackDelta['oplist'][number]

/** What a callback source of 2013 could send about a document, and what it came to. */
const ROWS: [name: string, before: object, given: Given, after: object][] = [
  ['inc adds 1 without data', { n: 1 }, { operation: 'inc', id: 5, path: 'n' }, { n: 2 }],
  ['inc makes a field', {}, { operation: 'inc', id: 5, path: 'n' }, { n: 1 }],
  [
    'pop takes the last without data',
    { list: [1, 2] },
    { operation: 'pop', id: 5, path: 'list' },
    { list: [1] },
  ],
  [
    'pop takes the first',
    { list: [1, 2] },
    { operation: 'pop', id: 5, path: 'list', data: -1 },
    { list: [2] },
  ],
  ['pop takes nothing of nothing', {}, { operation: 'pop', id: 5, path: 'list' }, {}],
  ['noop needs neither id nor path', { n: 1 }, { operation: 'noop' }, { n: 1 }],
  [
    'a path by id leads to the element',
    { todos: [{ _id: 5, title: 'a' }, { _id: 9 }] },
    { operation: 'set', id: 5, path: 'todos[5].title', data: 'b' },
    { todos: [{ _id: 5, title: 'b' }, { _id: 9 }] },
  ],
  [
    'a path by id makes the element',
    { todos: [] },
    { operation: 'set', id: 5, path: 'todos[5].title', data: 'b' },
    { todos: [{ _id: 5, title: 'b' }] },
  ],
  [
    'a path by id makes the array',
    {},
    { operation: 'set', id: 5, path: 'todos[5].title', data: 'b' },
    { todos: [{ _id: 5, title: 'b' }] },
  ],
  ['push makes an array', {}, { operation: 'push', id: 5, path: 'list', data: 'a' }, { list: ['a'] }],
  ['pushAll makes an array', {}, { operation: 'pushAll', id: 5, path: 'list', data: ['a'] }, { list: ['a'] }],
  ['unset makes no fields', {}, { operation: 'unset', id: 5, path: 'friends.bob' }, {}],
  ['unset leaves what is missing', {}, { operation: 'unset', id: 5, path: 'todos[5].title' }, {}],
  ['rename of what is missing does nothing', {}, { operation: 'rename', id: 5, path: 'a', data: 'b' }, {}],
  ['an id may be given as _id', {}, { operation: 'set', _id: 5, path: 'n', data: 1 }, { n: 1 }],
]

describe('source/callbacks/form', () => {
  const servers: Server[] = []
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.disconnect()
  })

  /** A client of a source of one document, which is sent operations about it. */
  const setUp = async (before: object, manifest: Manifest = true) => {
    let document: Document = { _id: 5, ...before }
    let listener: (delta: CallbackDelta) => void = () => {}
    const errors: Error[] = []
    const server = new Server({
      dataSources: {
        users: {
          manifest,
          payload: () => ({ data: [document] }),
          delta: (_identity, listen) => {
            listener = listen
            return () => {}
          },
        },
      },
      onError: (error) => errors.push(error),
    })
    servers.push(server)
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    const send = (given: Given, after: object) => {
      document = { _id: 5, ...after }
      listener({ timestamp: new Date(), oplist: [given] })
    }
    return { client, errors, send }
  }

  for (const [name, before, given, after] of ROWS) {
    it(`${name}, as in 2013`, async () => {
      const { client, errors, send } = await setUp(before)
      send(given, after)
      send({ operation: 'set', id: 5, path: 'last', data: true }, { ...after, last: true })
      await until(() => client.model.users?.[0]?.last === true)
      expect(client.model.users).to.deep.equal([{ _id: 5, ...after, last: true }])
      expect(client.of('reset')).to.deep.equal([])
      expect(errors).to.deep.equal([])
    })
  }

  it('shows an element that is made by its id as far as the manifest goes, whatever is written to it', async () => {
    const { client, send } = await setUp({}, { todos: { _id: true, title: true } })
    const todos = [{ _id: 7, secret: 's' }]
    send({ operation: 'set', id: 5, path: 'todos[7].secret', data: 's' }, { todos })
    await until(() => client.ready && client.model.users?.[0]?.todos !== undefined)
    expect(client.model.users).to.deep.equal([{ _id: 5, todos: [{ _id: 7 }] }])
    expect(client.of('delta')).to.deep.equal([])
    expect(JSON.stringify(client.events)).not.to.include('secret"')
  })

  it('gives clients the data that was left out, since those in other languages may not know it', () => {
    const oplist: Given[] = [
      { operation: 'inc', id: 1, path: 'n' },
      { operation: 'pop', id: 1, path: 'list' },
      { operation: 'noop' },
      { operation: 'noop', id: 1, path: 'n' },
    ]
    expect(parseOplist({ oplist }, 'users')).to.deep.equal([
      { operation: 'inc', id: 1, path: 'n', data: 1 },
      { operation: 'pop', id: 1, path: 'list', data: 1 },
      { operation: 'noop', id: 1, path: 'n' },
    ])
  })
})
