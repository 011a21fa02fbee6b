import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen } from '../support/http.ts'

/** The user of each login cookie, as an application's session store has it. */
type Logins = Map<string, string>

describe('A login that only a request can prove', () => {
  const notes = memory().collection('notes')
  let logins: Logins
  let lookups: number
  const nodes: { server: Server; listening: Listening }[] = []
  let client: Client | undefined

  beforeEach(() => {
    logins = new Map([['login of ann', 'ann']])
    lookups = 0
  })
  afterEach(async () => {
    client?.close()
    for (const { server, listening } of nodes.splice(0)) {
      await server.disconnect()
      await listening.close()
    }
  })

  const start = async (options: Partial<ServerOptions> = {}) => {
    const server = new Server({
      secret: 'a secret of at least thirty-two characters',
      // No request, no login: such a lookup throws.
      identityLookup: (_identity, _done, request) => {
        lookups++
        const user = logins.get(String(request?.headers['x-login']))
        return user === undefined ? null : { user }
      },
      dataSources: { notes: { manifest: true, collection: notes } },
      ...options,
    })
    const listening = await listen(server.middleware())
    nodes.push({ server, listening })
    return server
  }
  /** A client whose handshakes reach the node that `route` names. Its streams reach the first. */
  const connect = (route = () => 0) => {
    const statuses: string[] = []
    const requests: string[] = []
    const [first] = nodes
    client = new Client({
      url: `${first?.listening.url}/particle`,
      onStatus: (status) => statuses.push(status),
      fetch: (input, init = {}) => {
        const address = new URL(String(input))
        const isHandshake = address.pathname.endsWith('/handshake')
        requests.push(isHandshake ? 'handshake' : 'stream')
        if (isHandshake) address.port = String(nodes[route()]?.listening.port)
        return fetch(address, { ...init, headers: { ...init.headers, 'X-Login': 'login of ann' } })
      },
    })
    return { client, statuses, requests }
  }
  const handshakes = (requests: string[]) => requests.filter((request) => request === 'handshake').length

  it('is proved again, time after time, beside a stream that goes on', async () => {
    await start({ sessionTtl: 2000, heartbeat: 1000 })
    const { client, statuses, requests } = connect()
    await client.ready()
    await eventually(() => handshakes(requests) >= 4, 'three renewals', 8000)
    expect(requests.filter((request) => request === 'stream')).to.have.length(1)
    expect(statuses).to.deep.equal(['waiting', 'ready'])
    await notes.insertOne({ _id: 'live' })
    await eventually(() => client.data.notes?.length === 1, 'the note')
  })

  it('is proved at another node, and the stream opened anew, of which nothing is seen', async () => {
    await start({ sessionTtl: 2000, heartbeat: 1000 })
    await start({ sessionTtl: 2000, heartbeat: 1000 })
    const { client, statuses, requests } = connect(() => 1)
    await client.ready()
    await eventually(() => handshakes(requests) >= 3, 'two renewals', 8000)
    await eventually(() => requests.at(-1) === 'stream', 'another stream')
    await eventually(() => client.status === 'ready', 'the stream')
    expect(statuses).to.deep.equal(['waiting', 'ready'])
  })

  it('that has ended refuses the client at the next renewal', async () => {
    await start({ sessionTtl: 2000, heartbeat: 1000 })
    const { client } = connect()
    await client.ready()
    logins.clear()
    await eventually(() => client.status === 'refused', 'the refusal', 8000)
  })

  it('is proved at once when the rights are refreshed', async () => {
    const server = await start()
    const { client, statuses, requests } = connect()
    await client.ready()
    const before = lookups
    server.refresh(() => true)
    await eventually(() => lookups > before, 'the lookup')
    await eventually(() => handshakes(requests) === 2, 'the handshake')
    expect(statuses).to.deep.equal(['waiting', 'ready'])
  })
})
