import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import { CLOCK } from '../../lib/client/transport.ts'
import { eventually } from '../support/http.ts'
import { delta, manifest, set, TIMESTAMP } from './fakes.ts'
import { FAST, LittleServer, refusal } from './little.ts'

describe('Client in Node', () => {
  let server: LittleServer
  let url: string
  let client: Client

  beforeEach(async () => {
    server = new LittleServer()
    url = await server.listen()
  })

  afterEach(() => {
    client?.close()
    server.close()
  })

  const status = (wanted: string) => eventually(() => client.status === wanted, `the status ${wanted}`)
  const connect = () => {
    client = new Client({ url, identity: { user: 'ann' } }, { clock: FAST })
    return client
  }

  it('presents its token in a header, and no URL holds it', async () => {
    await connect().ready()
    expect(client.data).to.deep.equal({ users: [{ _id: 1, name: 'Ann' }] })
    expect(server.handshakes).to.deep.equal([{ identity: { user: 'ann' }, carrier: 'header' }])
    expect(server.streams[0]?.request.headers).to.include({
      authorization: 'Bearer token-1',
      accept: 'text/event-stream',
    })
    expect(server.streams[0]?.request.url).to.equal('/particle/stream')
  })

  it('comes back with its last position when the socket drops', async () => {
    await connect().ready()
    server.onStream = () => {
      server.send('manifest', manifest({ users: true }, true))
      server.send('delta', delta([set(1, 'name', 'Eve')]), 'p2')
      server.send('ready', { timestamp: TIMESTAMP })
    }
    server.drop()
    await status('reconnecting')
    expect(client.data).to.deep.equal({ users: [{ _id: 1, name: 'Ann' }] })
    await status('ready')
    expect(server.handshakes).to.have.length(1)
    expect(server.streams[1]?.position).to.equal('p1')
    expect(client.data).to.deep.equal({ users: [{ _id: 1, name: 'Eve' }] })
  })

  it('comes back after 503', async () => {
    server.handshakeAnswers.push(refusal(503, 'UNAVAILABLE'), refusal(503, 'UNAVAILABLE'))
    await connect().ready()
    expect(server.handshakes).to.have.length(3)
  })

  it('does not come back after 401', async () => {
    server.handshakeAnswers.push(refusal(401, 'UNAUTHORIZED'))
    const error = await connect()
      .ready()
      .catch(({ code }) => code)
    expect(error).to.equal('UNAUTHORIZED')
    expect(client.status).to.equal('refused')
  })

  it('comes back when the server has gone silent', async () => {
    // A tenth of a second on the client's watch is one on the fast clock's; the clock itself shows real time.
    server.heartbeat = 40
    client = new Client(
      { url },
      {
        clock: {
          ...CLOCK,
          after: (milliseconds, callback) => CLOCK.after(Math.min(milliseconds, 100), callback),
        },
      },
    )
    await client.ready()
    await eventually(() => server.streams.length > 1, 'another stream')
    await status('ready')
  })

  it('lets go of its connection when it is closed', async () => {
    await connect().ready()
    const socket = server.streams[0]?.request.socket
    client.close()
    await new Promise((resolve) => socket?.once('close', resolve))
    expect(client.status).to.equal('closed')
    expect(server.streams).to.have.length(1)
  })
})
