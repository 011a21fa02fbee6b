import { expect } from 'chai'
import type { ServerOptions } from '../../../lib/server/options/options.ts'
import { Server } from '../../../lib/server/server.ts'
import { type MemoryCollection, memory } from '../../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../../support/http.ts'
import { openStream } from '../../support/sse.ts'

describe('server/session-routes', () => {
  let listening: Listening | undefined
  let server: Server
  let tasks: MemoryCollection

  const serve = async (options: Partial<ServerOptions> = {}) => {
    tasks = memory().collection('tasks')
    server = new Server({
      dataSources: { tasks: { manifest: true, collection: tasks } },
      identityLookup: (identity) => identity,
      onError: () => {},
      ...options,
    })
    listening = await listen(server.middleware())
    return `${listening.url}/particle`
  }

  const post = async (address: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(address, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: await response.json() }
  }

  afterEach(async () => {
    await server.disconnect()
    await listening?.close()
  })

  it('finds the open streams of a session by a header, a body or a ticket with its cookie', async () => {
    const url = await serve()
    const { token, stream, cookie } = await shake(url, { user: 1 })
    const position = await server.position('tasks')
    const reached = `${url}/reached`
    const header = { Authorization: `Bearer ${token}` }
    expect(await post(reached, { position }, header)).to.deep.equal({ status: 200, body: { live: false } })
    const reader = await openStream(`${url}/stream`, header)
    expect(await post(reached, { position }, header)).to.deep.equal({ status: 200, body: { live: true } })
    expect((await post(reached, { token, position })).body).to.deep.equal({ live: true })
    const ticket = stream.slice(stream.indexOf('?'))
    expect((await post(reached + ticket, { position }, { Cookie: cookie })).body).to.deep.equal({
      live: true,
    })
    const other = await shake(url, { user: 1 })
    expect((await post(reached, { token: other.token, position })).body).to.deep.equal({ live: false })
    reader.close()
    await eventually(() => server.stats().connections === 0, 'the end of the stream')
    expect((await post(reached, { position }, header)).body).to.deep.equal({ live: false })
  })

  it('gives positions that show nothing of the store, and refuses those that a client makes up', async () => {
    const url = await serve()
    const { token } = await shake(url, { user: 1 })
    const { to } = await tasks.adapter.read('tasks', {}, () => {})
    const [first, second] = [await server.position('tasks'), await server.position('tasks')]
    expect(first).to.match(/^[\w-]{48,110}$/)
    expect(second).not.to.equal(first)
    for (const text of [first, Buffer.from(first, 'base64url').toString('latin1')])
      expect(text).not.to.contain(to)
    const reader = await openStream(`${url}/stream`, { Authorization: `Bearer ${token}` })
    const { id = '' } = await reader.next('ready')
    const tampered = `${first.slice(0, 20)}${first[20] === 'A' ? 'B' : 'A'}${first.slice(21)}`
    // The place in the stream is sealed for another purpose.
    for (const position of [Buffer.from(`0:${to}`).toString('base64url'), tampered, id]) {
      const { status, body } = await post(`${url}/reached`, { token, position })
      expect([status, body.error?.code]).to.deep.equal([400, 'INVALID_MESSAGE'])
    }
    const other = await openStream(`${url}/stream`, {
      Authorization: `Bearer ${token}`,
      'Last-Event-ID': first,
    })
    expect((await other.next('manifest')).data).to.include({ resumed: false, reason: 'position-unknown' })
  })

  it('refuses a token that is forged or revoked, and a body of another form', async () => {
    const url = await serve()
    const { token } = await shake(url, { user: 1 })
    const reached = `${url}/reached`
    const answered = async (body: unknown) => {
      const { status, body: answer } = await post(reached, body)
      return [status, answer.error?.code]
    }
    expect(await answered({ token })).to.deep.equal([400, 'INVALID_MESSAGE'])
    expect(await answered({ token, position: 7 })).to.deep.equal([400, 'INVALID_MESSAGE'])
    const position = await server.position('tasks')
    for (const wrong of ['', 'x', `${position}x`.repeat(200), Buffer.from('1:x').toString('base64url')])
      expect(await answered({ token, position: wrong }), wrong).to.deep.equal([400, 'INVALID_MESSAGE'])
    expect(await answered({ token: `${token}x`, position })).to.deep.equal([401, 'UNAUTHORIZED'])
    server.revoke(() => true)
    expect(await answered({ token, position })).to.deep.equal([401, 'UNAUTHORIZED'])
    expect((await fetch(reached)).status).to.equal(405)
  })

  it('bounds requests by the limits of handshakes, and counts them apart from these', async () => {
    const url = await serve({ limits: { handshakesPerSecondPerAddress: 0.1 } })
    const { token } = await shake(url, { user: 1 })
    const position = await server.position('tasks')
    const ask = async () => (await post(`${url}/reached`, { token, position })).status
    expect([await ask(), await ask(), await ask()]).to.deep.equal([200, 200, 429])
    expect((await shake(url, { user: 2 })).live).to.equal(false)
  })

  it('reports each position once on the stream, also those that the request for the stream names', async () => {
    const url = await serve()
    const { token } = await shake(url, { user: 1 })
    const header = { Authorization: `Bearer ${token}` }
    const position = await server.position('tasks')
    const reader = await openStream(`${url}/stream?reached=${position}`, header)
    expect((await reader.next('reached')).data).to.deep.equal({ position })
    expect(reader.names().slice(-2)).to.deep.equal(['ready', 'reached'])
    await post(`${url}/reached`, { position: [position, position] }, header)
    await reader.next('reached')
    await tasks.insertOne({ _id: 1 })
    const last = await server.position('tasks')
    const body = await fetch(`${url}/stream`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token, reached: [last] }),
    })
    let text = ''
    for await (const chunk of body.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString()
      if (text.includes(last)) break
    }
    expect(text).to.contain('event: reached')
    expect(reader.names().filter((name) => name === 'reached')).to.have.length(2)
    // An earlier process without a secret may have sealed a position, which must not refuse the stream.
    const again = await openStream(`${url}/stream?reached=nothing&reached=${last}`, header)
    expect((await again.next('reached')).data).to.deep.equal({ position: last })
    reader.close()
  })

  it('has no position for a root that is not there, nor for callbacks', async () => {
    await serve({ dataSources: { own: { manifest: true, payload: () => {} } } })
    const refusal = (root: string) =>
      server.position(root).then(
        () => '',
        ({ code, message }) => `${code} ${message}`,
      )
    expect(await refusal('taks')).to.match(/^INVALID_OPTION .*no source taks, only own/)
    expect(await refusal('own')).to.match(/^INVALID_OPTION .*callbacks/)
  })
})
