import { expect } from 'chai'
import type { ServerOptions } from '../../../lib/server/options/options.ts'
import { Server } from '../../../lib/server/server.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../../support/http.ts'
import { openStream } from '../../support/sse.ts'

describe('server/session-routes', () => {
  let listening: Listening | undefined
  let server: Server

  const serve = async (options: Partial<ServerOptions> = {}) => {
    const tasks = memory().collection('tasks')
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
    const position = 'x'
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
    expect(await answered({ token: `${token}x`, position: 'x' })).to.deep.equal([401, 'UNAUTHORIZED'])
    server.revoke(() => true)
    expect(await answered({ token, position: 'x' })).to.deep.equal([401, 'UNAUTHORIZED'])
    expect((await fetch(reached)).status).to.equal(405)
  })

  it('bounds requests by the limits of handshakes, and counts them apart from these', async () => {
    const url = await serve({ limits: { handshakesPerSecondPerAddress: 0.1 } })
    const { token } = await shake(url, { user: 1 })
    const ask = async () => (await post(`${url}/reached`, { token, position: 'x' })).status
    expect([await ask(), await ask(), await ask()]).to.deep.equal([200, 200, 429])
    expect((await shake(url, { user: 2 })).live).to.equal(false)
  })
})
