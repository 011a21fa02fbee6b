import { inspect } from 'node:util'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { Client } from '../../lib/client/index.ts'
import { createHandler } from '../../lib/server/http/middleware.ts'
import { Server } from '../../lib/server/server.ts'
import { scopeOf, TokenSeal } from '../../lib/server/tokens/token.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { openStream } from '../support/sse.ts'

const SECRET = 'the secret of a spec'
const PASSWORD = 'correct horse battery staple'

describe('What logs and errors hold', () => {
  const told: unknown[] = []
  const secrets = new Set([SECRET, PASSWORD])
  let server: Server<{ user: string }>
  let listening: Listening
  let url: string

  const tell = (...said: unknown[]) => void told.push(...said)
  /** All that was told, with causes and hidden properties, as a logger may write it. */
  const log = () => told.map((one) => inspect(one, { depth: 10, showHidden: true })).join('\n')

  beforeEach(async () => {
    told.length = 0
    server = new Server<{ user: string }>({
      secret: SECRET,
      dataSources: { users: { collection: memory().collection('users'), manifest: true } },
      identityLookup: (claim) => {
        const { password, fails } = Object(claim) as { password?: string; fails?: boolean }
        if (fails) throw new Error('The database is down')
        return password === PASSWORD ? { user: 'ada' } : null
      },
      onError: tell,
      onDebug: tell,
    })
    listening = await listen(createHandler(server as unknown as Server))
    url = `${listening.url}/particle`
  })

  afterEach(async () => {
    await server.disconnect()
    await listening.close()
  })

  /** Keeps the texts of a handshake that nobody may find again. */
  const given = async () => {
    const answer = await shake(url, { password: PASSWORD })
    secrets.add(answer.token)
    secrets.add(answer.stream.split('token=')[1] ?? '')
    secrets.add(answer.cookie.split('=')[1] ?? '')
    return answer
  }
  const expectSilence = () => {
    const text = log()
    for (const secret of secrets) expect(text).not.to.contain(secret)
    // Not a part of one either: the head of a token is the same for all.
    expect(text).not.to.match(/eyJ[\w-]{10}|ticket~|[?&]token=/)
  }

  it('is no token, ticket, cookie or password where requests go wrong', async () => {
    const { token, stream, cookie } = await given()
    const forged = `${token.slice(0, -3)}AAA`
    for (const [address, headers] of [
      [`${url}/stream`, { Authorization: `Bearer ${forged}` }],
      [`${url}/stream?token=${forged}`, {}],
      [`${listening.url}${stream}x`, { Cookie: cookie }],
      [`${url}/streams?token=${token}`, {}],
      [
        `${url}/particle/stream?token=${token}`,
        { Origin: 'https://b.example.com', 'Sec-Fetch-Site': 'cross-site' },
      ],
    ] as const) {
      const reader = await openStream(address, headers)
      await reader.ended
      expect(reader.status).to.be.greaterThan(400)
      told.push(reader.raw)
    }
    for (const identity of [{ password: PASSWORD, fails: true }, { password: `${PASSWORD}!` }])
      tell(await shake(url, identity, token).catch((error: unknown) => error))
    const { ended } = await openStream(`${url}/stream`, { Authorization: `Bearer ${token}` })
    await server.refresh(() => true)
    server.revoke(() => true, 'logged out')
    await ended
    const reader = await openStream(`${url}/stream`, { Authorization: `Bearer ${token}` })
    await reader.ended
    tell(reader.raw)
    expect(log()).to.contain('The database is down')
    expectSilence()
  })

  it('is nothing of what an expired token seals', async () => {
    const seal = new TokenSeal(SECRET, scopeOf({ path: '/particle', dataSources: {}, audience: undefined }))
    const claims = {
      session: 's',
      given: { password: PASSWORD },
      identity: { user: 'ada' },
      views: {},
      at: 0,
    }
    const token = await seal.seal(claims, 1_000)
    secrets.add(token)
    for (const text of [token, `${token}A`, 'eyJ'])
      tell(await seal.open(text).catch((error: unknown) => error))
    expect(told.map((error) => Object(error).code)).to.deep.equal([
      'UNAUTHORIZED',
      'UNAUTHORIZED',
      'UNAUTHORIZED',
    ])
    const text = log()
    for (const secret of secrets) expect(text).not.to.contain(secret)
  })

  for (const [how, options] of [
    ['fetch', {}],
    ['an EventSource', { EventSource }],
  ] as const) {
    it(`is no token or ticket of a client that reads by ${how} and loses its server`, async () => {
      const client = new Client({
        ...options,
        url,
        identity: { password: PASSWORD },
        onError: tell,
        onDebug: tell,
        fetch: async (...request) => {
          const response = await fetch(...request)
          const text = response.ok && /json/.test(response.headers.get('Content-Type') ?? '')
          if (text) {
            const { token, stream } = (await response.clone().json()) as { token: string; stream: string }
            for (const one of [token, stream.split('token=')[1]]) if (one) secrets.add(one)
          }
          return response
        },
      })
      await client.ready()
      expect(secrets.size).to.be.greaterThan(3)
      await listening.close()
      const tries = () => told.filter((one) => /^next try/.test(String(one))).length
      await eventually(() => tries() > 1, 'two tries', 10_000)
      client.close()
      expectSilence()
    })
  }
})
