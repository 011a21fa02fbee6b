import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { Client, type ClientOptions, type Watch } from '../../lib/client/index.ts'
import { Chat, type chatOptions, type Message, SHOWN } from '../support/chat.ts'
import { Balancer } from '../support/cluster/balancer.ts'
import { eventually } from '../support/http.ts'

type Options = ReturnType<typeof chatOptions>

/** Waits longer than a busy machine takes, in milliseconds. */
const PATIENCE = 20_000

/** A list of random numbers that is the same in each run. */
function* randomly(below: number, seed = 1): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state * 48271) % 2147483647
    yield state % below
  }
}

describe('A chat of rooms', function () {
  this.timeout(60_000)
  let chat: Chat
  let clients: Client<Options>[]
  let balancers: Balancer[]
  let errors: Error[]

  beforeEach(async () => {
    chat = new Chat()
    clients = []
    balancers = []
    errors = []
    await chat.fill(50, 60)
  })
  afterEach(async () => {
    for (const client of clients) client.close()
    for (const balancer of balancers) balancer.close()
    await chat.stop()
  })

  async function connect(url: string, options: ClientOptions<Options> = {}): Promise<Client<Options>> {
    const onError = (error: Error) => errors.push(error)
    const client = new Client<Options>({ url, identity: { user: 'ann' }, onError, ...options })
    clients.push(client)
    await client.ready()
    return client
  }
  const idsOf = (documents: readonly object[]) => documents.map((each) => (each as Message)._id)
  const shows = async (room: Watch<{ room?: unknown }>, number: number, count = SHOWN) => {
    await room.ready()
    const wanted = idsOf(await chat.last(number, count)).join()
    await eventually(
      () => idsOf(room.data as never).join() === wanted,
      `the last messages of room ${number}`,
      PATIENCE,
    )
    expect(room.data.every((message) => message.room === number)).to.equal(true)
  }
  const streamsOf = (node: number) =>
    chat.nodes[node]?.requests.filter((each) => each.endsWith('/stream')) ?? []
  const balance = async (): Promise<string> => {
    const balancer = await Balancer.start(chat.nodes.map(({ port }) => port))
    balancers.push(balancer)
    return `http://127.0.0.1:${balancer.port}/particle`
  }

  for (const transport of ['fetch', 'EventSource'] as const) {
    it(`shows the last messages of each room that is opened, over one stream (${transport})`, async () => {
      const url = await chat.start()
      const client = await connect(url, {
        linger: 20,
        ...(transport === 'EventSource' && { EventSource: EventSource as never }),
      })
      const open = new Map<number, Watch<{ room?: unknown }>>()
      const random = randomly(50)
      for (let step = 0; step < 300; step++) {
        const number = random.next().value
        const room = open.get(number)
        if (room) room.close()
        if (!open.delete(number)) open.set(number, client.watch('messages', { room: number }))
        if (step % 3 === 0) await chat.say(number)
        if (step % 10 === 0) await shows([...open.values()][0] as never, [...open.keys()][0] as number)
      }
      for (const [number, room] of open) await shows(room, number)
      await eventually(
        () => Object.keys(client.data).length === open.size + 1,
        'the end of all other rooms',
        PATIENCE,
      )
      expect(chat.nodes[0]?.server.stats()).to.include({ connections: 1, views: open.size + 1 })
      expect(streamsOf(0)).to.have.length(1)
      expect(client.status).to.equal('ready')
      expect([...errors, ...chat.errors]).to.deep.equal([])
    })
  }

  it('opens and closes 200 rooms one after the other, and leaves nothing', async () => {
    const url = await chat.start()
    const client = await connect(url, { linger: 0 })
    for (let number = 0; number < 200; number++) {
      const room = client.watch('messages', { room: number })
      await room.ready()
      expect(room.data).to.have.length(number < 50 ? SHOWN : 0)
      room.close()
    }
    await eventually(() => chat.nodes[0]?.server.stats().views === 1, 'the end of all views', PATIENCE)
    await eventually(() => Object.keys(client.data).length === 1, 'the end of all rooms', PATIENCE)
    expect(streamsOf(0)).to.have.length(1)
    expect([...errors, ...chat.errors]).to.deep.equal([])
  })

  it('sends nothing again of the rooms that a client holds over a lost connection', async () => {
    const url = await chat.start()
    let sent = ''
    const client = await connect(url, {
      fetch: async (address, init) => {
        const response = await fetch(address, init)
        if (!/\/stream/.test(String(address)) || !response.body) return response
        const [own, seen] = response.body.tee()
        void (async () => {
          const text = new TextDecoder()
          for await (const bytes of seen as unknown as AsyncIterable<Uint8Array>) sent += text.decode(bytes)
        })().catch(() => {})
        return new Response(own, response)
      },
    })
    const rooms = [1, 2, 3].map((room) => client.watch('messages', { room }))
    for (const room of rooms) await room.ready()
    await eventually(() => sent.split('event: ready').length === 3, 'the position of the rooms')
    sent = ''
    chat.nodes[0]?.listening.closeAllConnections()
    const other = client.watch('messages', { room: 4 })
    await chat.say(1)
    await shows(other, 4)
    for (const [index, room] of rooms.entries()) await shows(room, index + 1)
    const loaded = [...sent.matchAll(/event: payload\ndata: (.*)/g)].map(([, data]) => JSON.parse(data ?? ''))
    expect(loaded.map(({ root }) => root)).to.deep.equal([other.root])
    expect(sent).to.not.include('event: reset')
  })

  it('grows the window of a room up to the most that the source allows', async () => {
    for (let n = 0; n < 300; n++) await chat.say(7)
    const client = await connect(await chat.start())
    const room = client.watch('messages', { room: 7 })
    await shows(room, 7)
    expect(await room.more(30)).to.have.length(80)
    await chat.say(7)
    await shows(room, 7, 80)
    expect(await room.more(1000)).to.have.length(200)
    expect(await room.more(1000)).to.have.length(200)
    chat.nodes[0]?.listening.closeAllConnections()
    await chat.say(7)
    await shows(room, 7, 200)
  })

  it('ends a room whose right ends, and opens the room again with the right', async () => {
    const client = await connect(await chat.start())
    const [room, other] = [7, 8].map((number) => client.watch('messages', { room: number })) as [
      Watch<never>,
      Watch<never>,
    ]
    await Promise.all([room.ready(), other.ready()])
    chat.banned.add(7)
    await chat.nodes[0]?.server.refresh()
    await eventually(() => room.status === 'refused', 'the refusal')
    expect([room.data, room.error?.code, other.status]).to.deep.equal([[], 'FORBIDDEN', 'ready'])
    await eventually(() => client.data[room.root as never] === undefined, 'the end of its documents')
    const refused = client.watch('messages', { room: 7 })
    expect(await refused.ready().catch(({ code }) => code)).to.equal('FORBIDDEN')
    chat.banned.delete(7)
    await shows(client.watch('messages', { room: 7 }), 7)
    expect(errors.map((error) => (error as { code?: string }).code)).to.deep.equal(['FORBIDDEN', 'FORBIDDEN'])
    const wrong = client.watch('messages', { room: '7' as never })
    expect(await wrong.ready().catch(({ code }) => code)).to.equal('INVALID_PARAMS')
  })

  it('gives up kept rooms where a page opens as many as it may', async () => {
    const client = await connect(await chat.start())
    for (let number = 100; number < 115; number++) client.watch('messages', { room: number }).close()
    const rooms = [...Array(100).keys()].map((number) => client.watch('messages', { room: number }))
    await Promise.all(rooms.map((room) => room.ready()))
    expect(rooms.every(({ status }) => status === 'ready')).to.equal(true)
    const excess = client.watch('messages', { room: 200 })
    expect(await excess.ready().catch(({ code }) => code)).to.equal('LIMIT_EXCEEDED')
  })

  it('serves a client of the same process too', async () => {
    await chat.start()
    const { server } = chat.nodes[0] as (typeof chat.nodes)[number]
    const client = new Client<Options>({
      identity: { user: 'ann' },
      onRegister: (identity, receiver, done) => server.register(identity, receiver, done),
      linger: 0,
    })
    clients.push(client)
    const first = client.watch('messages', { room: 1 })
    await shows(first, 1)
    const second = client.watch('messages', { room: 2 })
    await shows(second, 2)
    expect(await second.more(5)).to.have.length(55)
    first.close()
    await eventually(() => client.data[first.root as never] === undefined, 'the end of the room')
    expect(server.stats()).to.include({ connections: 1, views: 2 })
  })

  it('goes on behind a balancer that sends each connection to another node, while one is killed', async () => {
    for (let node = 0; node < 2; node++) await chat.start()
    const url = await balance()
    const all = await Promise.all([1, 2, 3, 4].map(() => connect(url, { linger: 50 })))
    const random = randomly(50, 7)
    const open = all.map(() => new Map<number, Watch<never>>())
    const turn = async (steps: number) => {
      for (let step = 0; step < steps; step++) {
        for (const [index, client] of all.entries()) {
          const rooms = open[index] as Map<number, Watch<never>>
          const number = random.next().value
          rooms.get(number)?.close()
          if (!rooms.delete(number)) rooms.set(number, client.watch('messages', { room: number }) as never)
        }
        await chat.say(random.next().value)
        await new Promise((resolve) => setImmediate(resolve))
      }
      for (const rooms of open) for (const [number, room] of rooms) await shows(room, number)
    }
    await turn(50)
    chat.kill(0)
    await turn(50)
    expect(all.map(({ status }) => status)).to.deep.equal(all.map(() => 'ready'))
    expect([...errors, ...chat.errors]).to.deep.equal([])
  })
})
