/*
 * A page that the server renders with its data, as people build it: Express renders EJS, the page holds the
 * JSON of server.snapshot(), and the browser's client begins with it.
 */
import { expect } from 'chai'
import ejs from 'ejs'
import express from 'express'
import particle, {
  Client,
  type InitialModel,
  ParticleError,
  type ServerEvent,
  toScript,
} from '../../lib/index.ts'
import { type MemoryCollection, memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen } from '../support/http.ts'

const PAGE = ejs.compile(`<!doctype html>
<ul><% for (const { text } of notes) { %><li><%= text %></li><% } %></ul>
<script type="application/json" id="model"><%- model %></script>`)

/** What a browser parses out of the page: a script ends at the first `</script`. */
function modelOf(page: string): InitialModel {
  const [, text = ''] = /<script[^>]*>([\s\S]*?)<\/script/i.exec(page) ?? []
  return JSON.parse(text)
}

describe('A page with the data that it begins with', () => {
  let notes: MemoryCollection
  let messages: MemoryCollection
  let handler: ReturnType<typeof serve>
  let app: Listening
  let clients: Client[] = []
  let errors: Error[] = []
  /** The bodies of the streams, as they came. */
  let received: string[] = []

  function serve() {
    return particle.middleware({
      secret: 'a secret of all nodes',
      identityLookup: (identity: { user?: string } | null, _done: unknown, request: express.Request) => {
        const user = request?.headers['x-user'] ?? identity?.user
        return user ? { user } : null
      },
      dataSources: {
        notes: { collection: notes, manifest: { text: true, n: true }, criteria: { owner: '@user' } },
        top: { collection: notes, manifest: { text: true }, sort: { n: -1 }, limit: 1 },
        messages: {
          collection: messages,
          manifest: { text: true, room: true },
          params: { room: 'number' },
          criteria: { room: ':room' },
          allow: (_identity: unknown, { room }: { room?: unknown }) => Number(room) < 5,
        },
      },
      onError: (error: Error) => errors.push(error),
    } as never)
  }

  beforeEach(async () => {
    const store = memory()
    notes = store.collection('notes')
    messages = store.collection('messages')
    await notes.insertMany([
      {
        _id: 1,
        owner: 'ann',
        text: '</script><script>alert(1)</script><!-- \u2028 & "quoted"',
        n: 1,
        secret: 's',
      },
      { _id: 2, owner: 'ann', text: 'two', n: 2, secret: 's' },
      { _id: 3, owner: 'ben', text: 'three', n: 3, secret: 's' },
    ])
    await messages.insertMany([
      { _id: 1, room: 1, text: 'hello' },
      { _id: 2, room: 2, text: 'other' },
    ])
    errors = []
    received = []
    handler = serve()
    const site = express()
    site.use(handler)
    site.get('/', async (request, response) => {
      const model = await handler.server.snapshot(request)
      response.send(PAGE({ notes: model.data.notes, model: toScript(model) }))
    })
    app = await listen(site)
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    clients = []
    await handler.server.disconnect()
    await app.close()
  })

  /** Opens a client as a browser's page does, and keeps what its streams carry. */
  function begin(initial: InitialModel, user = 'ann', options: object = {}): Client {
    const client = new Client({
      url: `${app.url}/particle`,
      initial,
      fetch: async (address, init) => {
        const headers = { ...(init?.headers as object), 'X-User': user }
        const response = await fetch(address, { ...init, headers })
        if (!String(address).endsWith('/stream') && !String(address).includes('/stream?')) return response
        const tap = new TransformStream<Uint8Array, Uint8Array>({
          transform: (chunk, controller) => {
            received.push(new TextDecoder().decode(chunk))
            controller.enqueue(chunk)
          },
        })
        return new Response(response.body?.pipeThrough(tap) ?? null, response)
      },
      onError: (error: Error) => errors.push(error),
      ...options,
    })
    clients.push(client)
    return client
  }
  const names = () => received.join('').match(/^event: .*$/gm) ?? []
  const page = async (user = 'ann') => await (await fetch(app.url, { headers: { 'X-User': user } })).text()

  it('shows the data at once, goes on from its position, and no payload is sent', async () => {
    const html = await page()
    expect(html).to.include('<li>two</li>')
    const client = begin(modelOf(html))
    expect(client.status).to.equal('stale')
    expect(client.data.notes).to.deep.equal([
      { _id: 1, text: '</script><script>alert(1)</script><!-- \u2028 & "quoted"', n: 1 },
      { _id: 2, text: 'two', n: 2 },
    ])
    expect(client.data.top).to.deep.equal([{ _id: 3, text: 'three' }])
    await notes.updateOne({ _id: 2 }, { $set: { text: 'two, later' } })
    await client.ready()
    expect(client.getSnapshot('notes').map(({ text }) => text)[1]).to.equal('two, later')
    await notes.insertOne({ _id: 4, owner: 'ann', text: 'four', n: 4 })
    await eventually(() => client.getSnapshot('notes').length === 3, 'a change after the page')
    expect(names()).not.to.include('event: payload')
    expect(names()).not.to.include('event: reset')
    expect(errors).to.deep.equal([])
  })

  it('has one end of its script, whatever the documents say', async () => {
    const html = await page()
    expect(html.split(/<\/?script/i)).to.have.length(3)
    expect(html).not.to.include('<!--')
    expect(html).not.to.include('\u2028'.repeat(2))
    // The same text is an expression of JavaScript too.
    const text = /<script[^>]*>([\s\S]*?)<\/script/i.exec(html)?.[1]
    expect(new Function(`return ${text}`)()).to.deep.equal(modelOf(html))
  })

  it('renders the same on the server and at hydration, by a client that never connects', async () => {
    const model = await handler.server.snapshot({ user: 'ann' }, ['notes', 'top', ['messages', { room: 1 }]])
    const render = (client: Client) =>
      JSON.stringify([
        client.getSnapshot(),
        client.getSnapshot('notes'),
        client.watch('messages', { room: 1 }).getSnapshot(),
      ])
    const onServer = new Client({ initial: model, onRegister: () => {} })
    const before = received.length
    const rendered = render(onServer)
    const inPage = begin(JSON.parse(toScript(model)))
    expect(render(inPage)).to.equal(rendered)
    expect(inPage.status).to.equal(onServer.status)
    expect(inPage.getSnapshot('notes')).to.equal(inPage.getSnapshot('notes'))
    expect(rendered).to.include('hello').and.not.include('other')
    expect(received.length).to.equal(before)
    await inPage.ready()
    expect(render(inPage)).to.equal(rendered)
    onServer.close()
  })

  it('takes one root, whose other roots are loaded then', async () => {
    const model = await handler.server.snapshot({ user: 'ann' }, 'notes')
    expect(Object.keys(model.data)).to.deep.equal(['notes'])
    const client = begin(model)
    await client.ready()
    expect(client.data.top).to.deep.equal([{ _id: 3, text: 'three' }])
    const payloads = received.join('').match(/^event: payload\ndata: .*$/gm) ?? []
    expect(payloads.map((text) => /"root":"(\w+)"/.exec(text)?.[1])).to.deep.equal(['top'])
  })

  it('takes a root with parameters, which a watch of the page goes on with', async () => {
    const model = await handler.server.snapshot({ user: 'ann' }, ['notes', 'top', ['messages', { room: 1 }]])
    const client = begin(model)
    const room = client.watch('messages', { room: 1 })
    expect(room.status).to.equal('stale')
    expect(room.data).to.deep.equal([{ _id: 1, room: 1, text: 'hello' }])
    await room.ready()
    await messages.insertOne({ _id: 3, room: 1, text: 'new' })
    await eventually(() => room.data.length === 2, 'a message')
    expect(names()).not.to.include('event: payload')
    expect(errors).to.deep.equal([])
    const alone = await handler.server.snapshot({ user: 'ann' }, 'messages', { room: 1 })
    expect(Object.keys(alone.data)).to.deep.equal(['messages?{"room":1}'])
  })

  it('keeps the rows and the fields of each identity, and positions serve their own identity alone', async () => {
    const model = modelOf(await page('ben'))
    expect(model.data.notes).to.deep.equal([{ _id: 3, text: 'three', n: 3 }])
    expect(JSON.stringify(model)).not.to.include('secret')
    const client = begin(model, 'ann')
    await client.ready()
    expect(client.data.notes?.map(({ _id }) => _id)).to.deep.equal([1, 2])
    expect(names()).to.include('event: payload')
  })

  it('serves several tabs of one page, each with a session of its own', async () => {
    const model = modelOf(await page())
    const [one, two] = [begin(model), begin(model)]
    await Promise.all([one.ready(), two.ready()])
    const room = one.watch('messages', { room: 2 })
    await room.ready()
    await new Promise((resolve) => setImmediate(resolve))
    expect(Object.keys(two.getSnapshot())).to.deep.equal(['notes', 'top'])
    expect(handler.server.stats().connections).to.equal(2)
  })

  for (const kind of ['reads', 'does not read']) {
    it(`opens nothing by the token in the page, where the lookup ${kind} the request`, async () => {
      const server = new particle.Server({
        identityLookup:
          kind === 'reads'
            ? (_given: unknown, _done: unknown, request?: express.Request) => ({
                user: request?.headers['x-user'] ?? 'ann',
              })
            : (given: { user: string }) => given,
        dataSources: { notes: { collection: notes, manifest: { text: true }, criteria: { owner: '@user' } } },
      } as never)
      const own = await listen(server.middleware())
      try {
        const { token, position } = await server.snapshot({ user: 'ann' })
        const post = (route: string, body: object) =>
          fetch(`${own.url}/particle/${route}`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify(body),
          })
        const handshake = await post('handshake', { identity: { user: 'ann' }, previous: token })
        const held = await post('stream', { token: (await handshake.json()).token })
        expect(held.status).to.equal(200)
        const refused = [
          await post('stream', { token, lastEventId: position }),
          await post('watch', { token, add: ['notes'] }),
          await post('reached', { token, position: await server.position('notes') }),
        ]
        for (const response of refused) {
          expect([response.status, (await response.json()).error.code]).to.deep.equal([401, 'TOKEN_STALE'])
        }
        await held.body?.cancel()
      } finally {
        await server.disconnect()
        await own.close()
      }
    })
  }

  it('is refused as a stream is, and for a root that is not there', async () => {
    const refused = async (...args: Parameters<typeof handler.server.snapshot>) =>
      await handler.server.snapshot(...args).then(
        () => 'none',
        (error) => (error as ParticleError).code,
      )
    expect(await refused(null)).to.equal('UNAUTHORIZED')
    expect(await refused({ user: 'ann' }, 'messages', { room: 7 })).to.equal('FORBIDDEN')
    expect(await refused({ user: 'ann' }, 'messages', { room: 'x' })).to.equal('INVALID_PARAMS')
    expect(await refused({ user: 'ann' }, 'note')).to.equal('INVALID_OPTION')
    expect(handler.server.stats().connections).to.equal(0)
  })

  it('starts without a model of another version, and refuses a text', async () => {
    const model = modelOf(await page())
    const client = begin({ ...model, protocol: 99 })
    expect(client.status).to.equal('connecting')
    expect(client.data).to.deep.equal({})
    expect(() => new Client({ url: app.url, initial: toScript(model) as never })).to.throw(
      ParticleError,
      'The option initial must be what server.snapshot() returned.',
    )
    await client.ready()
  })

  it('calls listeners once with the data, after the constructor has returned', async () => {
    const model = modelOf(await page())
    const seen: unknown[] = []
    const client = begin(model, 'ann', {
      notify: 'event',
      onData: (data: { notes?: unknown[] }, event: ServerEvent) =>
        seen.push([client.status, data.notes?.length, event.event]),
    })
    expect(seen).to.deep.equal([])
    await client.ready()
    // A call for each root, by the option `notify`.
    expect(seen).to.deep.equal([
      ['stale', 2, 'payload'],
      ['stale', 2, 'payload'],
    ])
  })
})
