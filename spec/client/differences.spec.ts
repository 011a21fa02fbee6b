import { expect } from 'chai'
import { Bench, delta, manifest, payload, set, settle, TIMESTAMP } from './fakes.ts'

const ready = { timestamp: TIMESTAMP }

describe('client/differences', () => {
  let bench: Bench
  let heard: unknown[]
  const listeners = {
    added: (document: object) => heard.push(['added', document]),
    changed: (document: object, before: object) => heard.push(['changed', document, before]),
    removed: (document: object, { event }: { event: string }) => heard.push(['removed', document, event]),
  }

  beforeEach(() => {
    heard = []
    bench = new Bench({ notify: 'batch' })
  })
  afterEach(() => bench.client.close())

  it('are the documents that were added, changed and removed since the last call, once each', async () => {
    await bench.ready([{ _id: 1, n: 0 }, { _id: 2 }, { _id: 3 }])
    bench.client.on('users', listeners)
    bench.stream.send('delta', delta([set(1, 'n', 1), set(1, 'n', 2)]))
    bench.stream.send('delta', delta([{ operation: 'unset', id: 2, path: '.' }]))
    bench.stream.send('delta', delta([{ operation: 'set', id: 4, path: '.', data: { _id: 4 } }]))
    bench.stream.send('delta', delta([{ operation: 'noop', id: 3, path: '.', at: 0 }]))
    await settle()
    expect(heard).to.deep.equal([
      ['changed', { _id: 1, n: 2 }, { _id: 1, n: 0 }],
      ['removed', { _id: 2 }, 'delta'],
      ['added', { _id: 4 }],
    ])
  })

  it('are none for a document that came and went in between', async () => {
    await bench.ready()
    bench.client.on('users', listeners)
    bench.stream.send('delta', delta([{ operation: 'set', id: 4, path: '.', data: { _id: 4 } }]))
    bench.stream.send('delta', delta([{ operation: 'unset', id: 4, path: '.' }]))
    await settle()
    expect(heard).to.deep.equal([])
  })

  it('are all documents when the first load arrives, and what differs when the root is loaded again', async () => {
    bench.client.on('users', listeners)
    await bench.ready([{ _id: 1, n: 1 }, { _id: 2 }, { _id: 3 }])
    expect(heard.splice(0)).to.deep.equal([
      ['added', { _id: 1, n: 1 }],
      ['added', { _id: 2 }],
      ['added', { _id: 3 }],
    ])
    bench.stream.send('reset', { root: 'users', reason: 'slow' })
    bench.stream.send('payload', payload([{ _id: 1, n: 2 }, { _id: 3 }, { _id: 4 }]))
    await settle()
    expect(heard.splice(0)).to.deep.equal([
      ['changed', { _id: 1, n: 2 }, { _id: 1, n: 1 }],
      ['removed', { _id: 2 }, 'payload'],
      ['added', { _id: 4 }],
    ])
    bench.stream.send('manifest', manifest({ tasks: true }))
    await settle()
    expect(heard.map((each) => (each as unknown[])[0])).to.deep.equal(['removed', 'removed', 'removed'])
  })

  it('are of the watched root, and end with off and with the watch', async () => {
    await bench.ready()
    const room = bench.client.watch('messages', { room: 7 })
    room.on('*', listeners)
    await settle()
    bench.stream.send('watching', { watch: [room.root], sources: { users: true, [room.root]: true } })
    bench.stream.send('payload', payload([{ _id: 1 }], 0, true, room.root))
    bench.stream.send('ready', ready)
    await settle()
    expect(heard.splice(0)).to.deep.equal([['added', { _id: 1 }]])
    room.off('*', listeners)
    bench.client.on('users', listeners).off('users', listeners)
    bench.stream.send('delta', { ...delta([set(1, 'n', 1)]), root: room.root })
    bench.stream.send('delta', delta([set(1, 'n', 1)]))
    await settle()
    expect(heard).to.deep.equal([])
  })

  it('reach the other functions where one throws, and refuse an object of other names', async () => {
    await bench.ready([{ _id: 1 }])
    const added = () => {
      throw new Error('from a listener')
    }
    bench.client.on('users', { ...listeners, added })
    bench.stream.send(
      'delta',
      delta([{ operation: 'set', id: 2, path: '.', data: { _id: 2 } }, set(1, 'n', 1)]),
    )
    await settle()
    expect(heard).to.deep.equal([['changed', { _id: 1, n: 1 }, { _id: 1 }]])
    expect(bench.errors.map(({ code }) => code)).to.deep.equal(['CALLBACK_FAILED'])
    const mistaken = { add: () => {} }
    expect(() => bench.client.on('users', mistaken as never)).to.throw('each of added, changed, removed')
    expect(() => bench.client.on('users', { added: 1 } as never)).to.throw('each of added, changed, removed')
  })
})
