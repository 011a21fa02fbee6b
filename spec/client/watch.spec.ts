import { expect } from 'chai'
import { Bench, delta, manifest, payload, set, settle, TIMESTAMP } from './fakes.ts'

const ROOM = 'messages?{"room":7}'
const OTHER = 'messages?{"room":8}'
const ready = { timestamp: TIMESTAMP }
const message = (id: number) => ({ _id: id, text: `Message ${id}` })

/** What the address of the last stream says about watched roots. */
const asked = (bench: Bench) => {
  const { searchParams } = bench.stream.url
  const list = (name: string) => JSON.parse(searchParams.get(name) ?? 'null')
  return { watch: list('watch'), held: list('held'), position: searchParams.get('lastEventId') }
}

/** Tells the client which roots its stream has, as the server does after each change. */
const watching = (bench: Bench, ...watch: (string | { root: string; limit: number })[]) =>
  bench.stream.send('watching', {
    watch,
    sources: {
      users: true,
      ...Object.fromEntries(watch.map((each) => [typeof each === 'string' ? each : each.root, true])),
    },
  })

/** Loads a watched root on the open stream, up to a position. */
const load = (bench: Bench, root: string, documents: object[], position = '') => {
  bench.stream.send('payload', payload(documents, 0, true, root))
  bench.stream.send('ready', ready, position)
}

/** Opens a watch on a stream that is ready, and loads it. */
const open = async (bench: Bench, params: { room: number }, documents: object[] = []) => {
  const watch = bench.client.watch('messages', params)
  await settle()
  watching(bench, ...[...roots(bench), watch.root].filter((root, at, all) => all.indexOf(root) === at))
  load(bench, watch.root, documents, 'p2')
  return watch
}

const roots = (bench: Bench) => Object.keys(bench.client.manifest ?? {}).filter((root) => root !== 'users')

describe('watch', () => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench({ linger: 5000 })
  })
  afterEach(() => bench.client.close())

  it('is loaded over the open stream, while the client stays ready', async () => {
    await bench.ready()
    const room = bench.client.watch('messages', { room: 7 })
    expect([room.root, room.status, room.data]).to.deep.equal([ROOM, 'waiting', []])
    await settle()
    expect(bench.watchRequests).to.deep.equal([{ add: [ROOM], remove: [] }])
    expect(bench.requests.at(-1)?.url).to.equal('http://localhost:3000/particle/watch')
    watching(bench, ROOM)
    bench.stream.send('payload', payload([message(1)], 0, false, ROOM))
    expect([room.status, room.data]).to.deep.equal(['waiting', []])
    bench.stream.send('payload', payload([message(2)], 1, true, ROOM))
    expect(room.status).to.equal('ready')
    expect(await room.ready()).to.deep.equal([message(1), message(2)])
    expect(bench.client.data[ROOM]).to.equal(room.data)
    expect(bench.statuses).to.deep.equal(['waiting', 'ready'])
    expect(bench.errors).to.deep.equal([])
  })

  it('is named by the first stream where it is opened before', async () => {
    const room = bench.client.watch('messages', { room: 7 })
    await settle()
    expect(asked(bench)).to.deep.equal({ watch: [ROOM], held: null, position: null })
    bench.stream.open()
    bench.stream.send('manifest', manifest({ users: true, [ROOM]: true }))
    bench.stream.send('payload', payload([message(1)], 0, true, ROOM))
    expect(room.status).to.equal('ready')
    bench.stream.send('payload', payload([]))
    bench.stream.send('ready', ready, 'p1')
    await settle()
    expect(bench.watchRequests).to.deep.equal([])
  })

  it('follows the changes of its documents', async () => {
    await bench.ready()
    const room = await open(bench, { room: 7 }, [message(1)])
    const before = room.getSnapshot()
    const patterns: string[] = []
    let calls = 0
    room.on('*.text', (data) => patterns.push(`text of ${data.length}`))
    room.on('*.name.first', () => patterns.push('name'))
    room.on('**', (_data, event) => patterns.push(event.event))
    room.subscribe(() => calls++)
    bench.stream.send('delta', delta([set(1, 'text', 'Hi')], ROOM))
    bench.stream.send('delta', delta([set(1, 'text', 'Hi')], OTHER))
    bench.stream.send('delta', delta([set(1, 'name', 'Bob')]))
    expect(room.data).to.deep.equal([{ _id: 1, text: 'Hi' }])
    expect(patterns).to.deep.equal(['text of 1', 'delta'])
    expect(calls).to.equal(1)
    expect(room.getSnapshot()).to.not.equal(before)
    expect(room.getSnapshot()).to.equal(room.getSnapshot())
  })

  it('is ready with the moment that its new documents belong to', async () => {
    await bench.ready()
    const room = await open(bench, { room: 7 }, [message(1)])
    const [watch, sources] = [[ROOM], { users: true, [ROOM]: true }]
    bench.stream.send('watching', { watch, sources, together: [['users', ROOM]] })
    bench.stream.send('reset', { root: ROOM, reason: 'lost' })
    const answered: object[] = []
    room.ready().then((documents) => answered.push(documents))
    bench.stream.send('payload', payload([message(2)], 0, true, ROOM))
    await settle()
    expect([room.status, room.data, answered]).to.deep.equal(['waiting', [message(1)], []])
    bench.stream.send('delta', delta([], 'users'))
    await settle()
    expect([room.status, answered]).to.deep.equal(['ready', [[message(2)]]])
  })

  it('is one root however often it is opened, in whatever order its parameters are', async () => {
    await bench.ready()
    const one = bench.client.watch('messages', { room: 7, kind: 'a' })
    const other = bench.client.watch('messages', { kind: 'a', room: 7 })
    expect(other.root).to.equal(one.root)
    await settle()
    expect(bench.watchRequests).to.have.length(1)
    one.close()
    one.close()
    await bench.clock.pass(10_000)
    expect([one.status, other.status]).to.deep.equal(['closed', 'waiting'])
    expect(bench.watchRequests).to.have.length(1)
  })

  it('is asked for together with all others of the same turn, with one request at a time', async () => {
    await bench.ready()
    const rooms = [...Array(50).keys()].map((room) => bench.client.watch('messages', { room }))
    await Promise.resolve()
    for (const room of rooms.slice(0, 10)) room.close()
    await settle()
    expect(bench.watchRequests).to.have.length(1)
    await bench.clock.pass(5000)
    await settle()
    expect(bench.watchRequests).to.deep.equal([
      { add: rooms.map(({ root }) => root).sort(), remove: [] },
      { add: [], remove: rooms.slice(0, 10).map(({ root }) => root) },
    ])
  })

  describe('that is closed', () => {
    it('is kept for the time of linger, and costs a page that goes back nothing', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      room.close()
      await bench.clock.pass(4999)
      const again = bench.client.watch('messages', { room: 7 })
      expect([room.status, again.status]).to.deep.equal(['closed', 'ready'])
      expect(again.data).to.deep.equal([message(1)])
      await bench.clock.pass(10_000)
      expect(bench.watchRequests).to.have.length(1)
    })

    it('leaves the model when the server has ended it', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      room.close()
      await bench.clock.pass(5000)
      expect(bench.watchRequests.at(-1)).to.deep.equal({ add: [], remove: [ROOM] })
      expect(bench.client.data[ROOM]).to.deep.equal([message(1)])
      watching(bench)
      expect(Object.keys(bench.client.data)).to.deep.equal(['users'])
      expect(Object.keys(bench.client.getSnapshot())).to.deep.equal(['users'])
    })

    it('is loaded again where it is opened after its end was asked for', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      room.close()
      await bench.clock.pass(5000)
      const again = bench.client.watch('messages', { room: 7 })
      await settle()
      expect(bench.watchRequests.slice(1)).to.deep.equal([
        { add: [], remove: [ROOM] },
        { add: [ROOM], remove: [] },
      ])
      watching(bench)
      expect([again.status, again.data]).to.deep.equal(['waiting', []])
      watching(bench, ROOM)
      load(bench, ROOM, [message(2)])
      expect([again.status, again.data]).to.deep.equal(['ready', [message(2)]])
    })

    it('calls no listener any more, and rejects what waits for it', async () => {
      await bench.ready()
      const other = await open(bench, { room: 7 }, [])
      const room = bench.client.watch('messages', { room: 7 })
      bench.stream.send('reset', { root: ROOM, reason: 'history-lost' })
      const waits = room.ready().catch(({ code }) => code)
      let calls = 0
      room.subscribe(() => calls++)
      room.on('**', () => calls++)
      room.close()
      expect(await waits).to.equal('CLOSED')
      load(bench, ROOM, [message(1)])
      expect([calls, other.data.length]).to.deep.equal([0, 1])
      expect(await room.ready().catch(({ code }) => code)).to.equal('CLOSED')
    })

    it('is kept with at most 20 others, the last ones', async () => {
      await bench.ready()
      const rooms = [...Array(30).keys()].map((room) => bench.client.watch('messages', { room }))
      await settle()
      for (const room of rooms) room.close()
      await settle()
      expect(bench.watchRequests.at(-1)).to.deep.equal({
        add: [],
        remove: rooms.slice(0, 10).map(({ root }) => root),
      })
    })

    it('leaves no timer behind when the client is closed too', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 })
      const other = bench.client.watch('messages', { room: 8 })
      room.close()
      bench.client.close()
      other.close()
      expect(bench.clock.timers.size).to.equal(0)
      expect(other.status).to.equal('closed')
      const late = bench.client.watch('messages', { room: 9 })
      expect(late.status).to.equal('closed')
      expect(await late.ready().catch(({ code }) => code)).to.equal('CLOSED')
      late.close()
      expect(bench.clock.timers.size).to.equal(0)
    })
  })

  describe('that the server refuses', () => {
    it('says so for itself alone, and is asked for again when it is opened again', async () => {
      await bench.ready()
      const other = await open(bench, { room: 8 }, [message(1)])
      const room = bench.client.watch('messages', { room: 7 })
      const refusal = room.ready().catch((error) => error)
      let calls = 0
      room.subscribe(() => calls++)
      await settle()
      bench.stream.send('error', { root: ROOM, code: 'FORBIDDEN', message: 'No' })
      expect(await refusal).to.include({ code: 'FORBIDDEN', message: 'No' })
      expect([room.status, room.error, calls]).to.deep.equal(['refused', await refusal, 1])
      expect([bench.client.status, other.status]).to.deep.equal(['ready', 'ready'])
      expect(bench.errors.map(({ code }) => code)).to.deep.equal(['FORBIDDEN'])
      room.close()
      const again = bench.client.watch('messages', { room: 7 })
      expect(again.status).to.equal('waiting')
      await settle()
      expect(bench.watchRequests.slice(1)).to.deep.equal([
        { add: [ROOM], remove: [] },
        { add: [ROOM], remove: [] },
      ])
    })

    it('shows nothing any more from the moment in which the right ends', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      let seen: readonly object[] = room.data
      room.subscribe(() => {
        seen = room.getSnapshot()
      })
      bench.stream.send('error', { root: ROOM, code: 'FORBIDDEN', message: 'No' })
      expect([seen, room.data, room.status]).to.deep.equal([[], [], 'refused'])
      watching(bench)
      expect(bench.client.data[ROOM]).to.equal(undefined)
      bench.stream.fail()
      await bench.clock.pass(2000)
      expect(asked(bench)).to.deep.include({ watch: [], held: [ROOM] })
    })

    it('is not refused by an error of its source', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      bench.stream.send('error', { root: ROOM, code: 'SOURCE_FAILED', message: 'No' })
      bench.stream.send('error', { root: ROOM, code: 'LIMIT_EXCEEDED', message: 'Too large' })
      expect(room.status).to.equal('ready')
    })

    it('is asked for again after a while where the server could not check the right', async () => {
      await bench.ready()
      const room = bench.client.watch('messages', { room: 7 })
      await settle()
      bench.stream.send('error', { root: ROOM, code: 'UNAVAILABLE', message: 'Later' })
      expect(room.status).to.equal('waiting')
      await bench.clock.pass(5000)
      expect(bench.watchRequests).to.have.length(2)
    })

    it('is asked for at once where it is opened again meanwhile', async () => {
      await bench.ready()
      bench.client.watch('messages', { room: 7 })
      await settle()
      bench.stream.send('error', { root: ROOM, code: 'UNAVAILABLE', message: 'Later' })
      bench.client.watch('messages', { room: 7 })
      await settle()
      expect(bench.watchRequests).to.have.length(2)
    })

    it('is asked for again where the reason of its end is lost, as in the queue of a slow client', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      const other = await open(bench, { room: 8 }, [message(1)])
      other.close()
      watching(bench)
      await bench.clock.pass(4_000)
      const [ofRoom, ofOther] = [
        { add: [ROOM], remove: [] },
        { add: [OTHER], remove: [] },
      ]
      expect(bench.watchRequests).to.deep.equal([ofRoom, ofOther])
      await bench.clock.pass(2_000)
      expect(bench.watchRequests.slice(2)).to.deep.include(ofRoom)
      bench.stream.send('error', { root: ROOM, code: 'FORBIDDEN', message: 'No' })
      expect(room.status).to.equal('refused')
      await bench.clock.pass(20_000)
      expect(bench.watchRequests.slice(3)).to.not.deep.include(ofRoom)
    })

    it('is asked for again where the answer refuses it, and the stream does not say why', async () => {
      await bench.ready()
      bench.answers.push([200, { live: true, refused: [], watch: [] }])
      const room = bench.client.watch('messages', { room: 7 })
      await settle()
      bench.answers.push([200, { live: true, refused: [], watch: [ROOM] }])
      await bench.clock.pass(6_000)
      expect(bench.watchRequests).to.have.length(2)
      watching(bench, ROOM)
      load(bench, ROOM, [message(1)])
      expect(room.status).to.equal('ready')
    })

    it('takes the place of roots that are only kept where there are too many', async () => {
      await bench.ready()
      const kept = await open(bench, { room: 8 })
      kept.close()
      const room = bench.client.watch('messages', { room: 7 })
      await settle()
      bench.stream.send('error', { root: ROOM, code: 'LIMIT_EXCEEDED', message: 'Too many' })
      await settle()
      expect(room.status).to.equal('waiting')
      expect(bench.watchRequests.at(-1)).to.deep.equal({ add: [ROOM], remove: [OTHER] })
      bench.stream.send('error', { root: ROOM, code: 'LIMIT_EXCEEDED', message: 'Too many' })
      expect(room.status).to.equal('refused')
    })
  })

  describe('whose stream another node holds', () => {
    it('asks four times, then opens the stream anew by its position, quietly', async () => {
      await bench.ready()
      const held = await open(bench, { room: 8 }, [message(8)])
      for (let n = 0; n < 4; n++) bench.answers.push([200, { live: false }])
      const room = bench.client.watch('messages', { room: 7 })
      await settle()
      await settle()
      expect(bench.watchRequests).to.have.length(5)
      expect(asked(bench)).to.deep.equal({ watch: [ROOM, OTHER], held: [OTHER], position: 'p2' })
      bench.stream.open()
      bench.stream.send('manifest', manifest({ users: true, [ROOM]: true, [OTHER]: true }, true))
      expect([held.status, held.data, room.status]).to.deep.equal(['ready', [message(8)], 'waiting'])
      load(bench, ROOM, [message(7)], 'p3')
      expect([room.status, bench.client.status]).to.deep.equal(['ready', 'ready'])
      expect(bench.statuses).to.deep.equal(['waiting', 'ready'])
      expect(bench.errors).to.deep.equal([])
    })

    it('stays on its stream where the balancer finds the node', async () => {
      await bench.ready()
      bench.answers.push([200, { live: false }], [200, { live: false }])
      bench.client.watch('messages', { room: 7 })
      await settle()
      expect(bench.watchRequests).to.have.length(3)
      expect(bench.client.status).to.equal('ready')
      expect(bench.stream.closed).to.equal(false)
    })
  })

  describe('over a lost connection', () => {
    it('goes on by the position that was given for its root, and keeps its documents meanwhile', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      bench.stream.fail()
      expect([room.status, room.data]).to.deep.equal(['reconnecting', [message(1)]])
      const seen: string[] = []
      room.subscribe(() => seen.push(room.status))
      await bench.clock.pass(2000)
      expect(asked(bench)).to.deep.equal({ watch: [ROOM], held: null, position: 'p2' })
      bench.stream.open()
      bench.stream.send('manifest', manifest({ users: true, [ROOM]: true }, true))
      expect(room.status).to.equal('waiting')
      bench.stream.send('delta', delta([set(2, '.', message(2))], ROOM))
      bench.stream.send('ready', ready, 'p3')
      expect([room.status, room.data.length]).to.deep.equal(['ready', 2])
      expect(seen).to.deep.equal(['waiting', 'waiting', 'ready'])
    })

    it('loads a root whose documents came after the last position', async () => {
      await bench.ready()
      const room = bench.client.watch('messages', { room: 7 })
      await settle()
      watching(bench, ROOM)
      bench.stream.send('payload', payload([message(1)], 0, true, ROOM))
      bench.stream.fail()
      await bench.clock.pass(2000)
      expect(asked(bench)).to.deep.equal({ watch: [ROOM], held: [], position: 'p1' })
      bench.stream.open()
      bench.stream.send('manifest', manifest({ users: true, [ROOM]: true }, true))
      bench.stream.send('delta', delta([set(2, '.', message(2))], ROOM))
      expect([room.status, room.data]).to.deep.equal(['waiting', [message(1)]])
      load(bench, ROOM, [message(3)], 'p2')
      expect([room.status, room.data]).to.deep.equal(['ready', [message(3), message(2)]])
    })

    it('hides such a root meanwhile, where other roots of its adapter go on', async () => {
      await bench.ready()
      const room = bench.client.watch('messages', { room: 7 })
      await settle()
      watching(bench, ROOM)
      bench.stream.send('payload', payload([message(1)], 0, true, ROOM))
      bench.stream.fail()
      await bench.clock.pass(2000)
      expect(room.data).to.deep.equal([message(1)])
      const shown = new Set<object>([bench.client.getSnapshot()])
      bench.client.subscribe(() => shown.add(bench.client.getSnapshot()))
      bench.stream.open()
      const sources = { users: true, [ROOM]: true } as const
      bench.stream.send('manifest', { ...manifest(sources, true), together: [['users', ROOM]] })
      bench.stream.send('delta', delta([set(2, '.', { _id: 2 })]))
      expect([room.status, room.data]).to.deep.equal(['waiting', []])
      load(bench, ROOM, [message(3)], 'p2')
      expect([room.status, room.data]).to.deep.equal(['ready', [message(3)]])
      const [ann] = bench.client.data.users ?? []
      const users = [ann, { _id: 2 }]
      const [, ...models] = shown
      expect(models).to.deep.equal([{ users: [ann] }, { users }, { users, [ROOM]: [message(3)] }])
    })

    it('asks for what was opened while the stream was opening', async () => {
      await bench.ready()
      bench.stream.fail()
      await bench.clock.pass(2000)
      const room = bench.client.watch('messages', { room: 7 })
      await settle()
      expect(bench.watchRequests).to.deep.equal([])
      bench.stream.open()
      bench.stream.send('manifest', manifest({ users: true }, true))
      await settle()
      expect(bench.watchRequests).to.deep.equal([{ add: [room.root], remove: [] }])
    })

    it('asks again, later each time, while requests fail on a stream that goes on', async () => {
      await bench.ready()
      for (let n = 0; n < 3; n++) bench.answers.push(new TypeError('fetch failed'))
      bench.client.watch('messages', { room: 7 })
      await settle()
      const delays: number[] = []
      while (bench.watchRequests.length < 4) {
        const before = bench.watchRequests.length
        await bench.clock.pass(500)
        bench.stream.send('ping', ready)
        delays.push(bench.watchRequests.length - before)
      }
      expect(delays.length).to.be.greaterThan(8)
      expect(bench.client.status).to.equal('ready')
      expect(bench.errors).to.deep.equal([])
    })

    it('presents itself anew where the token of a request is not good', async () => {
      await bench.ready()
      bench.answers.push([401, { error: { code: 'UNAUTHORIZED', message: 'Expired' } }])
      const room = bench.client.watch('messages', { room: 7 })
      await settle()
      await settle()
      expect(bench.requests.at(-1)?.url).to.match(/handshake$/)
      expect(asked(bench)).to.deep.equal({ watch: [ROOM], held: [], position: 'p1' })
      expect([bench.client.status, room.status]).to.deep.equal(['ready', 'waiting'])
    })

    it('is paused and resumed with its client', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      bench.client.pause()
      const other = bench.client.watch('messages', { room: 8 })
      expect([room.status, other.status]).to.deep.equal(['paused', 'paused'])
      await settle()
      bench.client.resume()
      await settle()
      expect(asked(bench)).to.deep.equal({ watch: [ROOM, OTHER], held: [ROOM], position: 'p2' })
    })
  })

  it('names as many roots as the address of an EventSource can hold, and asks for the others later', async () => {
    const rooms = [...Array(100).keys()].map((room) => bench.client.watch('messages', { room }))
    await settle()
    const first = asked(bench).watch as string[]
    expect(bench.stream.url.href.length).to.be.within(2500, 3500)
    bench.stream.open()
    bench.stream.send(
      'manifest',
      manifest({ users: true, ...Object.fromEntries(first.map((root) => [root, true])) }),
    )
    await settle()
    const [{ add }] = bench.watchRequests as [{ add: string[] }]
    expect([...first, ...add].sort()).to.deep.equal(rooms.map(({ root }) => root).sort())
    watching(bench, ...first, ...add)
    bench.stream.send('ready', ready, 'p1')
    expect(rooms.every(({ status }) => status === 'ready')).to.equal(true)
    bench.stream.fail()
    await bench.clock.pass(2000)
    expect(asked(bench)).to.deep.equal({ watch: first, held: null, position: null })
  })

  describe('of a source with a limit', () => {
    it('grows its window, and resolves when the further documents are there', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1), message(2)])
      let grown: object[] | undefined
      void room.more(2).then((data) => {
        grown = data
      })
      await settle()
      const entry = { root: ROOM, limit: 4 }
      expect(bench.watchRequests.at(-1)).to.deep.equal({ add: [entry], remove: [] })
      bench.stream.send('ready', ready)
      await settle()
      expect(grown).to.equal(undefined)
      watching(bench, entry)
      bench.stream.send('delta', delta([set(3, '.', message(3))], ROOM))
      bench.stream.send('ready', ready, 'p3')
      await settle()
      expect(grown).to.deep.equal([message(1), message(2), message(3)])
      bench.stream.fail()
      await bench.clock.pass(2000)
      expect(asked(bench)).to.deep.equal({ watch: [entry], held: null, position: 'p3' })
    })

    it('resolves where the source has no more to give', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1), message(2)])
      bench.answers.push([200, { live: true, watch: [ROOM] }])
      expect(await room.more(2)).to.deep.equal([message(1), message(2)])
      bench.answers.push([200, { live: true, watch: [{ root: ROOM, limit: 3 }] }])
      const more = room.more(2)
      await settle()
      watching(bench, { root: ROOM, limit: 3 })
      bench.stream.send('delta', delta([set(3, '.', message(3))], ROOM))
      bench.stream.send('ready', ready, 'p3')
      expect(await more).to.have.length(3)
    })

    it('rejects more where the watch ends before', async () => {
      await bench.ready()
      const room = await open(bench, { room: 7 }, [message(1)])
      const more = room.more(10).catch(({ code }) => code)
      await settle()
      room.close()
      expect(await more).to.equal('CLOSED')
      const again = await open(bench, { room: 7 }, [message(1)])
      const late = again.more(10).catch(({ code }) => code)
      again.close()
      expect(await late).to.equal('CLOSED')
      expect(() => room.more(0))
        .to.throw('positive integer')
        .with.property('code', 'INVALID_OPTION')
    })
  })

  it('is refused with its client', async () => {
    await bench.ready()
    const room = await open(bench, { room: 7 }, [message(1)])
    bench.stream.send('revoked', { reason: 'logged out' })
    expect([room.status, room.data]).to.deep.equal(['refused', []])
    expect(await room.ready().catch(({ code }) => code)).to.equal('UNAUTHORIZED')
    expect(bench.clock.timers.size).to.equal(0)
  })

  it('tells an own transport of all roots, again after each change', async () => {
    const lists: unknown[] = []
    bench.client.close()
    bench = new Bench({
      url: undefined as never,
      EventSource: undefined as never,
      fetch: undefined as never,
      onRegister: (_identity, receiver, done, watch) => {
        lists.push(watch)
        done()
        receiver('manifest', manifest({ [ROOM]: true }))
        receiver('payload', payload([message(1)], 0, true, ROOM))
        receiver('ready', ready)
      },
    })
    const room = bench.client.watch('messages', { room: 7 })
    expect(await room.ready()).to.deep.equal([message(1)])
    bench.client.watch('messages', { room: 8 })
    await settle()
    await settle()
    expect(lists).to.deep.equal([[ROOM], [ROOM, OTHER]])
  })

  it('takes a name and an object of values', () => {
    for (const [source, params] of [
      ['messages', undefined],
      ['messages', 7],
      ['messages', [7]],
      [7, { room: 7 }],
    ] as const) {
      expect(() => bench.client.watch(source as 'messages', params as never))
        .to.throw('watch(source, params)')
        .with.property('code', 'INVALID_OPTION')
    }
  })

  it('reports a pattern that nothing can touch', async () => {
    await bench.ready()
    const room = await open(bench, { room: 7 })
    room.on('text' as '*', () => {})
    expect(bench.errors.map(({ message: said }) => said).join()).to.match(
      /Nothing can touch the pattern "text"/,
    )
  })

  it('refuses a linger that is no time', () => {
    expect(() => new Bench({ linger: -1 })).to.throw('linger')
    expect(() => new Bench({ linger: '5' as never })).to.throw('linger')
  })
})
