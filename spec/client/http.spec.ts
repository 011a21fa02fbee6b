import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import { Bench, delta, FakeEventSource, manifest, payload, set, settle, TIMESTAMP, welcome } from './fakes.ts'

describe('http transport', () => {
  it('presents the identity, then opens the stream that the answer names', async () => {
    const bench = new Bench({ identity: { user: 'ann' } })
    expect(bench.requests).to.have.length(0)
    await settle()
    expect(bench.requests).to.have.length(1)
    const [request] = bench.requests
    expect(request?.url).to.equal('http://localhost:3000/particle/handshake')
    expect(request?.init).to.include({ method: 'POST', credentials: 'include' })
    expect(request?.body).to.deep.equal({ identity: { user: 'ann' } })
    expect(bench.stream.url.href).to.equal('http://localhost:3000/particle/stream?session=s&token=token-1')
    bench.client.close()
  })

  it('goes on after a loss with the same token and the last position, once the delay is over', async () => {
    const bench = await new Bench().ready()
    const { stream } = bench
    stream.fail()
    expect(stream.closed).to.equal(true)
    expect(bench.client.status).to.equal('reconnecting')
    expect(bench.client.data.users).to.have.length(1)
    expect(bench.clock.next).to.equal(1500)
    await bench.clock.pass(1500)
    expect(bench.requests).to.have.length(1)
    expect(bench.stream).not.to.equal(stream)
    expect(bench.stream.url.searchParams.get('lastEventId')).to.equal('p1')
    bench.stream.open()
    bench.stream.send('manifest', manifest({ users: true }, true))
    bench.stream.send('delta', delta([set(1, 'name', 'Eve')]), 'p2')
    bench.stream.send('ready', { timestamp: TIMESTAMP })
    expect(bench.client.status).to.equal('ready')
    expect(bench.client.data.users).to.deep.equal([{ _id: 1, name: 'Eve' }])
    expect(bench.statuses).to.deep.equal(['waiting', 'ready', 'reconnecting', 'waiting', 'ready'])
    bench.client.close()
  })

  it('makes a new handshake that names the token before when the stream cannot be opened', async () => {
    const bench = await new Bench().ready()
    bench.stream.fail()
    await bench.clock.pass(1500)
    bench.stream.fail()
    bench.answers.push(welcome('token-2'))
    await bench.clock.pass(bench.clock.next)
    expect(bench.requests.map(({ body }) => body.previous)).to.deep.equal([undefined, 'token-1'])
    expect(bench.stream.url.searchParams.get('token')).to.equal('token-2')
    expect(bench.stream.url.searchParams.get('lastEventId')).to.equal('p1')
    bench.client.close()
  })

  it('makes a new handshake when the token is expired, unless a session event renewed it', async () => {
    for (const renewed of [false, true]) {
      const bench = await new Bench().ready()
      if (renewed) bench.stream.send('session', { token: 'token-9', expiresAt: '2027-01-01T00:00:00Z' })
      bench.clock.time += 2 * 3600_000
      bench.stream.fail()
      await bench.clock.pass(1500)
      expect(bench.requests).to.have.length(renewed ? 1 : 2)
      if (renewed) expect(bench.stream.url.searchParams.get('token')).to.equal('token-9')
      bench.client.close()
    }
  })

  it('asks the identity function at every handshake, and comes back when it fails', async () => {
    let calls = 0
    const identity = async () => {
      calls++
      if (calls === 1) throw new Error('no token yet')
      return { call: calls }
    }
    const bench = new Bench({ identity })
    await settle()
    expect(bench.errors.map(({ code }) => code)).to.deep.equal(['CALLBACK_FAILED'])
    expect(bench.client.status).to.equal('connecting')
    await bench.clock.pass(1500)
    expect(bench.requests[0]?.body.identity).to.deep.equal({ call: 2 })
    bench.client.close()
  })

  for (const status of [401, 403]) {
    it(`is refused by ${status}, and does not come back`, async () => {
      const bench = new Bench()
      bench.answers.push([status, { error: { code: 'UNAUTHORIZED', message: 'The identity was refused' } }])
      const ready = bench.client.ready().catch((error) => error)
      await settle()
      expect(bench.client.status).to.equal('refused')
      expect(await ready).to.include({ code: 'UNAUTHORIZED' })
      expect(bench.errors).to.deep.equal([])
      expect(bench.clock.timers.size).to.equal(0)
    })
  }

  for (const [status, code] of [
    [400, 'INVALID_MESSAGE'],
    [413, 'BODY_TOO_LARGE'],
    [415, 'UNSUPPORTED_MEDIA_TYPE'],
  ] as const) {
    it(`is refused by ${status}, and says so`, async () => {
      const bench = new Bench()
      bench.answers.push([status, { error: { code, message: 'No' } }])
      await settle()
      expect(bench.client.status).to.equal('refused')
      expect(bench.errors.map((error) => error.code)).to.deep.equal([code])
      expect(bench.clock.timers.size).to.equal(0)
    })
  }

  for (const answer of [[429], [503], new TypeError('fetch failed')] as const) {
    it(`comes back after ${answer instanceof Error ? 'a network error' : answer[0]}, later each time`, async () => {
      const bench = new Bench()
      const delays: number[] = []
      for (let n = 0; n < 6; n++) bench.answers.push(answer instanceof Error ? answer : [answer[0]])
      await settle()
      for (let n = 0; n < 6; n++) {
        delays.push(bench.clock.next)
        await bench.clock.pass(bench.clock.next)
      }
      expect(delays).to.deep.equal([1500, 2500, 4500, 8500, 15_500, 15_500])
      expect(bench.errors).to.deep.equal([])
      expect(bench.requests).to.have.length(7)
      bench.client.close()
    })
  }

  it('waits as long as Retry-After says, where that is longer', async () => {
    for (const [after, delay] of [
      ['20', 20_000],
      ['0', 1500],
      ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
      ['soon', 1500],
    ] as const) {
      const bench = new Bench()
      bench.answers.push([503, {}, { 'Retry-After': after }])
      await settle()
      expect(bench.clock.next, after).to.equal(delay)
      bench.client.close()
    }
  })

  it('says so when the answer is not of Particle, and comes back', async () => {
    for (const answer of [[200, '<html>'], [404], [500], [200, { token: 5 }]] as const) {
      const bench = new Bench()
      bench.answers.push([answer[0], answer[1]])
      await settle()
      expect(bench.errors.map(({ code }) => code)).to.deep.equal(['INVALID_MESSAGE'])
      expect(bench.clock.next).to.equal(1500)
      bench.client.close()
    }
  })

  it('gives a handshake up that has no answer within 30 s', async () => {
    const bench = new Bench({ fetch: () => new Promise(() => {}) })
    await settle()
    expect(bench.clock.next).to.equal(30_000)
    await bench.clock.pass(30_000)
    expect(bench.client.status).to.equal('connecting')
    expect(bench.clock.next).to.equal(1500)
    bench.client.close()
  })

  it('takes silence of two and a half heartbeats for a loss', async () => {
    const bench = await new Bench().ready()
    await bench.clock.pass(24_000)
    bench.stream.send('ping', { timestamp: TIMESTAMP })
    await bench.clock.pass(20_000)
    expect(bench.client.status).to.equal('ready')
    await bench.clock.pass(5000)
    expect(bench.client.status).to.equal('reconnecting')
    expect(bench.stream.closed).to.equal(true)
    bench.client.close()
  })

  it('does not wait for ever for a stream to open', async () => {
    const bench = new Bench()
    await settle()
    const { stream } = bench
    await bench.clock.pass(25_000)
    expect(stream.closed).to.equal(true)
    await bench.clock.pass(1500)
    expect(bench.requests).to.have.length(2)
    bench.client.close()
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

  it('has no position while a root is loading, whatever an EventSource repeats', async () => {
    const bench = await new Bench().ready()
    bench.stream.send('reset', { root: 'users', reason: 'slow' })
    bench.stream.send('payload', payload([{ _id: 2 }], 0, false))
    bench.stream.fail()
    await bench.clock.pass(1500)
    expect(bench.stream.url.searchParams.has('lastEventId')).to.equal(false)
    expect(bench.client.data.users).to.deep.equal([{ _id: 1, name: 'Ann' }])
    bench.stream.open()
    bench.stream.send('manifest', manifest())
    expect(bench.client.data.users).to.deep.equal([{ _id: 1, name: 'Ann' }])
    bench.stream.send('payload', payload([{ _id: 2 }]))
    expect(bench.client.data.users).to.deep.equal([{ _id: 2 }])
    bench.client.close()
  })

  it('drops the position when a manifest on the open stream says that it did not hold', async () => {
    const bench = await new Bench().ready()
    bench.stream.send('manifest', manifest(), 'p1')
    bench.stream.send('payload', payload([], 0, false), 'p1')
    bench.stream.fail()
    await bench.clock.pass(1500)
    expect(bench.stream.url.searchParams.has('lastEventId')).to.equal(false)
    bench.client.close()
  })

  it('starts clean, and later each time, when an event is malformed or cannot be applied', async () => {
    const bad: [string, object | string][] = [
      ['delta', '{'],
      ['delta', { root: 'users' }],
      ['delta', delta([set(1, 'name', 'Eve'), { operation: 'inc', id: 1, path: 'name', data: 1 }])],
      ['payload', payload([], 3)],
    ]
    const delays: number[] = []
    const bench = await new Bench().ready()
    for (const [name, data] of bad) {
      bench.stream.send(name, data, 'p2')
      expect(bench.client.status).to.equal('reconnecting')
      expect(bench.client.data.users).to.deep.equal([{ _id: 1, name: 'Ann' }])
      delays.push(bench.clock.next)
      await bench.clock.pass(bench.clock.next)
      expect(bench.stream.url.searchParams.has('lastEventId')).to.equal(false)
      await bench.ready()
    }
    expect(delays).to.deep.equal([1500, 2500, 4500, 8500])
    expect(bench.errors).to.have.length(4)
    bench.client.close()
  })

  it('ends for good when the rights are revoked', async () => {
    const bench = await new Bench().ready()
    bench.stream.send('revoked', { reason: 'signed out' })
    expect(bench.client.status).to.equal('refused')
    expect(bench.stream.closed).to.equal(true)
    expect(bench.clock.timers.size).to.equal(0)
    expect(await bench.client.ready().catch(({ code }) => code)).to.equal('UNAUTHORIZED')
  })

  it('hands the server’s errors on and goes on', async () => {
    const bench = await new Bench().ready()
    bench.stream.send('error', { root: 'users', code: 'SOURCE_FAILED', message: 'The source failed' })
    expect(bench.errors.map(({ code, message }) => [code, message])).to.deep.equal([
      ['SOURCE_FAILED', 'The source failed'],
    ])
    expect(bench.client.status).to.equal('ready')
    bench.client.close()
  })

  it('ignores events that it does not know, and what comes from a stream that it gave up', async () => {
    const bench = await new Bench().ready()
    const { stream } = bench
    stream.send('news', { of: 'tomorrow' })
    stream.fail()
    stream.send('delta', delta([set(1, 'name', 'Eve')]), 'p9')
    stream.fail()
    expect(bench.client.data.users).to.deep.equal([{ _id: 1, name: 'Ann' }])
    expect(bench.clock.timers.size).to.equal(1)
    bench.client.close()
  })

  it('is refused by a server of another protocol', async () => {
    const bench = new Bench()
    await settle()
    bench.stream.open()
    bench.stream.send('manifest', { ...manifest(), protocol: 2 })
    expect(bench.client.status).to.equal('refused')
    expect(bench.errors).to.have.length(1)
  })

  it('sends cookies and no token where there is a page, across origins too', async () => {
    for (const [base, url, withCredentials] of [
      ['http://localhost:3000/app/index.html', undefined, false],
      ['http://localhost:4000/', 'http://localhost:3000/particle', true],
    ] as const) {
      const bench = new Bench({ url: url ?? '/particle' }, { base })
      await settle()
      expect(bench.stream.url.href).to.equal('http://localhost:3000/particle/stream?session=s')
      expect(bench.stream.options).to.deep.equal({ withCredentials })
      bench.client.close()
    }
  })

  it('makes a new handshake when the cookie is expired, though the token was renewed', async () => {
    const bench = await new Bench({}, { base: 'http://localhost:3000/' }).ready()
    bench.stream.send('session', { token: 'token-9', expiresAt: '2027-01-01T00:00:00Z' })
    bench.clock.time += 2 * 3600_000
    bench.stream.fail()
    await bench.clock.pass(1500)
    expect(bench.requests[1]?.body.previous).to.equal('token-9')
    bench.client.close()
  })

  it('tries again at once when the browser comes online', async () => {
    const page = globalThis as { addEventListener?: unknown; removeEventListener?: unknown }
    const target = new EventTarget()
    page.addEventListener = target.addEventListener.bind(target)
    page.removeEventListener = target.removeEventListener.bind(target)
    try {
      const bench = await new Bench().ready()
      bench.stream.fail()
      target.dispatchEvent(new Event('online'))
      expect(FakeEventSource.all).to.have.length(2)
      expect(bench.clock.next).to.equal(25_000)
      bench.client.close()
      expect(bench.clock.timers.size).to.equal(0)
    } finally {
      delete page.addEventListener
      delete page.removeEventListener
    }
  })

  it('needs an absolute url and an EventSource outside of a browser', () => {
    for (const options of [{}, { url: '/particle' }, { url: 'http://localhost:3000' }]) {
      expect(() => new Client(options))
        .to.throw()
        .with.property('code', 'INVALID_OPTION')
    }
  })
})
