import { expect } from 'chai'
import { Bench, delta, manifest, payload, set, settle, TIMESTAMP, welcome } from './fakes.ts'

describe('link', () => {
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
      const refusal = await ready
      expect(refusal).to.include({ code: 'UNAUTHORIZED' })
      expect(bench.errors).to.deep.equal([refusal])
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

  for (const [status, code] of [
    [503, 'UNAVAILABLE'],
    [429, 'TOO_MANY_HANDSHAKES'],
  ] as const) {
    it(`tells once of a handshake that is answered ${status} for the third time`, async () => {
      const bench = new Bench()
      const error = { code, message: 'The identity could not be looked up; try again later' }
      for (let n = 0; n < 6; n++) bench.answers.push([status, { error }])
      await settle()
      const told: number[] = []
      for (let n = 0; n < 6; n++) {
        told.push(bench.errors.length)
        await bench.clock.pass(bench.clock.next)
      }
      expect(told).to.deep.equal([0, 0, 1, 1, 1, 1])
      expect(bench.errors[0]?.message).to.match(
        new RegExp(`handshake answered ${status}: The identity could`),
      )
      bench.client.close()
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
      expect(bench.errors).to.have.length(answer instanceof Error ? 0 : 1)
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

  it('empties the model of an identity that may see nothing any more, and tells the page', async () => {
    const bench = await new Bench().ready()
    const seen: unknown[] = []
    expect(bench.client.data.users).to.have.length(1)
    bench.client.on('users', (users) => seen.push([...users]))
    bench.stream.send('revoked', { reason: 'signed out' })
    expect(bench.client.data).to.deep.equal({})
    expect(bench.client.getSnapshot('users')).to.deep.equal([])
    expect(seen).to.deep.equal([[]])
    expect(bench.events.at(-1)).to.equal('revoked')
    expect(bench.errors.map(({ message }) => message)).to.deep.equal(['Revoked: signed out'])
  })

  it('keeps the data where it is refused for another reason than the identity', async () => {
    const bench = await new Bench().ready()
    bench.stream.fail()
    bench.answers.push([400, { error: { code: 'INVALID_MESSAGE', message: 'Another protocol' } }])
    await bench.clock.pass(bench.clock.next)
    await bench.clock.pass(4_000)
    expect(bench.client.data.users).to.have.length(1)
    bench.client.close()
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
    bench.stream.send('manifest', { ...manifest(), protocol: 1 })
    expect(bench.client.status).to.equal('refused')
    expect(bench.errors).to.have.length(1)
  })

  it('opens the next stream at once where one that was good is lost, and backs off only when that fails', async () => {
    const bench = await new Bench().ready()
    await bench.clock.pass(1000)
    bench.stream.fail()
    expect(bench.client.status).to.equal('reconnecting')
    expect(bench.clock.next).to.equal(150)
    await bench.clock.pass(150)
    bench.stream.fail()
    expect(bench.clock.next).to.equal(1500)
    bench.client.close()
  })

  it('takes a stream that is doubted for lost without a sign of life within 2 s, which is not to be seen', async () => {
    const page = new EventTarget()
    const bench = await new Bench({}, { page }).ready()
    const { stream } = bench
    for (const sign of [true, false]) {
      page.dispatchEvent(new Event('online'))
      await bench.clock.pass(1999)
      if (sign) stream.send('ping', { timestamp: TIMESTAMP })
      await bench.clock.pass(1)
      expect(stream.closed).to.equal(!sign)
    }
    expect(bench.stream).not.to.equal(stream)
    expect(bench.stream.url.searchParams.get('lastEventId')).to.equal('p1')
    bench.stream.open()
    bench.stream.send('manifest', manifest({ users: true }, true))
    bench.stream.send('ready', { timestamp: TIMESTAMP })
    expect(bench.statuses).to.deep.equal(['waiting', 'ready'])
    bench.client.close()
    expect(bench.clock.timers.size).to.equal(0)
  })

  it('tries again at once when the browser comes online, and begins anew what takes longer than 2 s then', async () => {
    const page = new EventTarget()
    const bench = await new Bench({}, { page }).ready()
    bench.stream.fail()
    page.dispatchEvent(new Event('online'))
    await settle()
    const second = bench.stream
    expect(bench.requests).to.have.length(2)
    page.dispatchEvent(new Event('online'))
    await bench.clock.pass(2000)
    expect(second.closed).to.equal(true)
    expect(bench.requests).to.have.length(3)
    bench.client.close()
    expect(bench.clock.timers.size).to.equal(0)
  })

  it('is seen to reconnect when a stream that is replaced quietly takes longer than 2 s', async () => {
    const page = new EventTarget()
    const bench = await new Bench({}, { page }).ready()
    page.dispatchEvent(new Event('online'))
    await bench.clock.pass(2000)
    expect(bench.client.status).to.equal('ready')
    await bench.clock.pass(2000)
    expect(bench.client.status).to.equal('reconnecting')
    bench.client.close()
  })

  it('shows that it waits when a stream that is replaced quietly loads a root anew', async () => {
    const page = new EventTarget()
    const bench = await new Bench({}, { page }).ready()
    page.dispatchEvent(new Event('online'))
    await bench.clock.pass(2000)
    bench.stream.open()
    bench.stream.send('manifest', manifest({ users: true }, true))
    expect(bench.client.status).to.equal('ready')
    bench.stream.send('reset', { root: 'users', reason: 'rights' })
    expect(bench.client.status).to.equal('waiting')
    bench.client.close()
  })

  it('closes its stream while it is paused, and goes on from the position when it is resumed', async () => {
    const bench = await new Bench().ready()
    const { client, stream } = bench
    client.pause()
    expect(client.status).to.equal('paused')
    expect(stream.closed).to.equal(true)
    expect(bench.clock.timers.size).to.equal(0)
    await bench.clock.pass(60_000)
    expect(bench.requests).to.have.length(1)
    client.resume()
    await settle()
    expect(client.status).to.equal('reconnecting')
    expect(bench.stream.url.searchParams.get('lastEventId')).to.equal('p1')
    expect(client.data.users).to.have.length(1)
    client.close()
  })

  it('makes no connection where it was paused right after it was constructed, until it is resumed', async () => {
    const bench = new Bench()
    bench.client.pause()
    await settle()
    expect(bench.requests).to.have.length(0)
    bench.client.resume()
    await settle()
    expect(bench.requests).to.have.length(1)
    bench.client.pause()
    bench.client.close()
    bench.client.resume()
    expect(bench.client.status).to.equal('closed')
  })

  it('stays paused while the user or the page wants it so', async () => {
    const page = new EventTarget()
    const bench = await new Bench({}, { page }).ready()
    page.dispatchEvent(new Event('pagehide'))
    expect(bench.client.status).to.equal('ready')
    expect(bench.stream.closed).to.equal(true)
    bench.client.pause()
    expect(bench.client.status).to.equal('paused')
    page.dispatchEvent(new Event('pageshow'))
    expect(bench.client.status).to.equal('paused')
    page.dispatchEvent(new Event('pagehide'))
    bench.client.resume()
    expect(bench.client.status).to.equal('paused')
    page.dispatchEvent(new Event('pageshow'))
    await settle()
    expect(bench.stream.closed).to.equal(false)
    bench.client.close()
  })

  it('presents itself anew beside the open stream when the server asks, and goes on where the stream does', async () => {
    const bench = await new Bench().ready()
    bench.answers.push(welcome('token-2', { live: true }))
    bench.stream.send('renew', { reason: 'expiring', within: 60_000 })
    await settle()
    expect(bench.requests[1]?.body.previous).to.equal('token-1')
    expect(bench.stream.closed).to.equal(false)
    bench.stream.send('delta', delta([set(1, 'name', 'Eve')]), 'p2')
    expect(bench.client.data.users).to.deep.equal([{ _id: 1, name: 'Eve' }])
    expect(bench.statuses).to.deep.equal(['waiting', 'ready'])
    bench.client.close()
  })

  it('opens another stream by its position where the node that answers does not hold the old one', async () => {
    const bench = await new Bench().ready()
    const { stream } = bench
    bench.answers.push(welcome('token-2', { live: false }))
    stream.send('renew', { reason: 'refresh', within: 60_000 })
    await settle()
    expect(stream.closed).to.equal(true)
    expect(bench.requests).to.have.length(2)
    expect(bench.stream.url.search).to.equal('?token=ticket-of-token-2&lastEventId=p1')
    bench.stream.open()
    bench.stream.send('manifest', manifest({ users: true }, true))
    bench.stream.send('ready', { timestamp: TIMESTAMP })
    expect(bench.statuses).to.deep.equal(['waiting', 'ready'])
    bench.client.close()
  })

  it('goes on asking for a renewal that fails until the stream has ended, and is refused by a refusal', async () => {
    const bench = await new Bench().ready()
    bench.answers.push(new TypeError('fetch failed'), [502, '<html>'], [200, '<html>'])
    bench.stream.send('renew', { reason: 'dependency', within: 60_000 })
    await settle()
    for (const requests of [2, 3, 4]) {
      expect(bench.requests).to.have.length(requests)
      expect(bench.client.status).to.equal('ready')
      if (requests === 4) bench.answers.push([401, { error: { code: 'UNAUTHORIZED', message: 'Gone' } }])
      // The next try, or the end of the silence that the watchdog allows.
      bench.stream.send('ping', { timestamp: TIMESTAMP })
      await bench.clock.pass([1500, 2500, 4500][requests - 2] ?? 0)
    }
    expect(bench.errors.map(({ code }) => code)).to.deep.equal(['INVALID_MESSAGE', 'UNAUTHORIZED'])
    expect(bench.client.status).to.equal('refused')
    expect(bench.stream.closed).to.equal(true)
    expect(bench.clock.timers.size).to.equal(0)
  })

  it('presents itself once more when the server asks again in the middle of a renewal', async () => {
    const bench = await new Bench().ready()
    for (const token of ['token-2', 'token-3']) bench.answers.push(welcome(token, { live: true }))
    for (const reason of ['expiring', 'dependency', 'refresh']) {
      bench.stream.send('renew', { reason, within: 60_000 })
    }
    await settle()
    expect(bench.requests.map(({ body }) => body.previous)).to.deep.equal([undefined, 'token-1', 'token-2'])
    bench.client.close()
  })

  it('ends a renewal with the stream', async () => {
    const bench = await new Bench().ready()
    bench.answers.push(new TypeError('fetch failed'))
    bench.stream.send('renew', { reason: 'expiring', within: 60_000 })
    await settle()
    bench.client.pause()
    expect(bench.clock.timers.size).to.equal(0)
    bench.client.close()
  })

  it('presents itself at once, and unseen, when the server ends a stream whose token was not renewed in time', async () => {
    const bench = await new Bench().ready()
    const { stream } = bench
    stream.send('error', { code: 'TOKEN_EXPIRED', message: 'No handshake came in time' })
    await settle()
    expect(stream.closed).to.equal(true)
    expect(bench.requests).to.have.length(2)
    expect(bench.stream.url.searchParams.get('lastEventId')).to.equal('p1')
    expect(bench.errors).to.deep.equal([])
    expect(bench.statuses).to.deep.equal(['waiting', 'ready'])
    bench.client.close()
  })

  it('tells the same failure once an outage', async () => {
    const bench = new Bench()
    const portal = [200, '<html>'] as const
    for (let n = 0; n < 4; n++) bench.answers.push([...portal])
    await settle()
    for (let n = 0; n < 4; n++) await bench.clock.pass(bench.clock.next)
    expect(bench.errors.map(({ message }) => message)).to.deep.equal([
      "POST http://localhost:3000/particle/handshake answered 200 text/html, not JSON: is another route before Particle's?",
    ])
    await bench.ready()
    bench.stream.fail()
    bench.answers.push([...portal])
    await bench.clock.pass(bench.clock.next)
    expect(bench.errors).to.have.length(2)
    bench.client.close()
  })

  it("tells of a gateway's page at the third try, and once", async () => {
    const bench = new Bench()
    for (let n = 0; n < 6; n++) bench.answers.push([502, '<html>'])
    await settle()
    const told: number[] = []
    for (let n = 0; n < 5; n++) {
      told.push(bench.errors.length)
      await bench.clock.pass(bench.clock.next)
    }
    expect(told).to.deep.equal([0, 0, 1, 1, 1])
    bench.client.close()
  })

  it('tells of a server that is away only after a minute, and once', async () => {
    const bench = new Bench()
    for (let n = 0; n < 20; n++) bench.answers.push(new TypeError(n % 2 ? 'Failed to fetch' : 'fetch failed'))
    await settle()
    const told: number[] = []
    for (let n = 0; n < 19; n++) {
      await bench.clock.pass(bench.clock.next)
      told.push(bench.errors.length)
    }
    expect(told.indexOf(1)).to.equal(5)
    expect(bench.errors.map(({ code }) => code)).to.deep.equal(['UNAVAILABLE', 'UNAVAILABLE'])
    bench.client.close()
  })
})
