import { expect } from 'chai'
import { Bench, FakeEventSource, manifest, settle, TIMESTAMP, welcome } from './fakes.ts'

describe('an EventSource given as an option', () => {
  it('opens each stream by a ticket in its address, which is of the client, not of the answer', async () => {
    const bench = new Bench({ identity: { user: 'ann' } })
    bench.answers.push(welcome('token-1', { stream: '/inner/stream?token=ticket%2B1' }))
    await settle()
    expect(bench.requests).to.have.length(1)
    const [request] = bench.requests
    expect(request?.url).to.equal('http://localhost:3000/particle/handshake')
    expect(request?.init).to.include({ method: 'POST', credentials: 'include' })
    expect(request?.body).to.deep.equal({ identity: { user: 'ann' } })
    expect(bench.stream.url.href).to.equal('http://localhost:3000/particle/stream?token=ticket%2B1')
    bench.client.close()
  })

  it('goes on after a loss by the ticket of another handshake and the last position', async () => {
    const bench = await new Bench().ready()
    const { stream } = bench
    stream.fail()
    expect(stream.closed).to.equal(true)
    expect(bench.clock.next).to.equal(1500)
    bench.answers.push(welcome('token-2'))
    await bench.clock.pass(1500)
    expect(bench.requests.map(({ body }) => body.previous)).to.deep.equal([undefined, 'token-1'])
    expect(bench.stream.url.search).to.equal('?token=ticket-of-token-2&lastEventId=p1')
    bench.stream.open()
    bench.stream.send('manifest', manifest({ users: true }, true))
    bench.stream.send('ready', { timestamp: TIMESTAMP })
    expect(bench.statuses).to.deep.equal(['waiting', 'ready', 'reconnecting', 'waiting', 'ready'])
    bench.client.close()
  })

  it('names the token that a session event brought when it presents itself again', async () => {
    const bench = await new Bench().ready()
    bench.stream.send('session', { token: 'token-9', expiresAt: '2027-01-01T00:00:00Z' })
    bench.stream.fail()
    await bench.clock.pass(1500)
    expect(bench.requests[1]?.body.previous).to.equal('token-9')
    bench.client.close()
  })

  it('opens no stream by a ticket that may be too old by now', async () => {
    const bench = new Bench()
    await settle()
    bench.client.pause()
    bench.answers.push(welcome('token-2'))
    await bench.clock.pass(60_000)
    bench.client.resume()
    await settle()
    expect(bench.stream.url.search).to.equal('?token=ticket-of-token-2')
    bench.client.close()
  })

  it('sends cookies across origins too', async () => {
    for (const [base, url, withCredentials] of [
      ['http://localhost:3000/app/index.html', '/particle', false],
      ['http://localhost:4000/', 'http://localhost:3000/particle', true],
    ] as const) {
      const bench = new Bench({ url }, { base })
      await settle()
      expect(bench.stream.options).to.deep.equal({ withCredentials })
      bench.client.close()
    }
  })

  it('keeps the position through events without an id, by the standard or not', async () => {
    for (const sticky of ['p1', '']) {
      const bench = await new Bench().ready()
      bench.stream.send('ping', { timestamp: TIMESTAMP }, sticky)
      bench.stream.fail()
      await bench.clock.pass(1500)
      expect(bench.stream.url.searchParams.get('lastEventId')).to.equal('p1')
      bench.client.close()
    }
  })

  it('that opens no stream, though handshakes are answered, is told of once', async () => {
    const bench = new Bench()
    await settle()
    for (let n = 0; n < 5; n++) {
      expect(bench.errors).to.have.length(n < 2 ? 0 : 1)
      bench.stream.fail()
      await bench.clock.pass(bench.clock.next)
    }
    expect(bench.errors[0]?.message).to.match(/^Handshakes are answered, but no stream opens/)
    expect(FakeEventSource.all).to.have.length(6)
    bench.client.close()
  })
})
