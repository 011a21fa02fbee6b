import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import { ParticleError } from '../../lib/errors.ts'
import { Bench, delta, FakeClock, manifest, payload, set, settle, TIMESTAMP } from './fakes.ts'

const nothing = () => {}

describe('Client', () => {
  it('shows the model as it is kept current', async () => {
    const bench = await new Bench().ready()
    const { client, stream } = bench
    expect(client.status).to.equal('ready')
    expect(client.manifest).to.deep.equal({ users: true })
    expect(client.data).to.deep.equal({ users: [{ _id: 1, name: 'Ann' }] })
    const { users } = client.data
    const seen = users?.[0]
    stream.send('delta', { ...delta([set(1, 'name', 'Eve')]), timestamp: '2026-02-02T00:00:00.000Z' })
    expect(client.data.users).to.equal(users)
    expect(client.data).to.deep.equal({ users: [{ _id: 1, name: 'Eve' }] })
    expect(seen).to.deep.equal({ _id: 1, name: 'Ann' })
    expect(client.lastUpdated).to.deep.equal(new Date('2026-02-02T00:00:00.000Z'))
    client.close()
  })

  it('calls onData once for each event that changed the model, never while a payload is half there', async () => {
    const states: unknown[] = []
    const bench = new Bench({ onData: (data: unknown) => states.push(structuredClone(data)) })
    await settle()
    bench.stream.open()
    bench.stream.send('manifest', manifest())
    bench.stream.send('payload', payload([{ _id: 1 }], 0, false))
    bench.stream.send('payload', payload([{ _id: 2 }], 1, true))
    bench.stream.send('ready', { timestamp: TIMESTAMP })
    bench.stream.send('delta', delta([set(1, 'a', 1), set(2, 'a', 2)]))
    bench.stream.send('reset', { root: 'users', reason: 'x' })
    bench.stream.send('ping', { timestamp: TIMESTAMP })
    expect(states).to.deep.equal([
      { users: [{ _id: 1 }, { _id: 2 }] },
      {
        users: [
          { _id: 1, a: 1 },
          { _id: 2, a: 2 },
        ],
      },
    ])
    bench.client.close()
  })

  it('is waiting while a root is replaced', async () => {
    const bench = await new Bench().ready()
    bench.stream.send('reset', { root: 'users', reason: 'slow' })
    expect(bench.client.status).to.equal('waiting')
    bench.stream.send('payload', payload([{ _id: 2 }]))
    expect(bench.client.status).to.equal('ready')
    bench.client.close()
  })

  it('removes what a new manifest does not name', async () => {
    const bench = await new Bench().ready()
    const heard: unknown[] = []
    bench.client.on('users.name', (data, { event }) => heard.push([data, event]))
    bench.stream.send('manifest', manifest({ tasks: true }))
    expect(bench.client.data).to.deep.equal({})
    expect(heard).to.deep.equal([[[], 'manifest']])
    bench.stream.send('ready', { timestamp: TIMESTAMP })
    expect(bench.client.data).to.deep.equal({ tasks: [] })
    bench.client.close()
  })

  it('calls the listeners of the patterns that an event touches, once each', async () => {
    const bench = await new Bench().ready([{ _id: 1, address: { street: 'x' }, name: 'Ann' }])
    const heard: string[] = []
    const listen = (pattern: string) =>
      bench.client.on(pattern, (data, event) => {
        expect(data).to.equal(bench.client.data.users)
        heard.push(`${pattern} ${event.event}`)
      })
    for (const pattern of ['users', 'users.**', 'users.*', 'users.address.*', 'people']) listen(pattern)
    bench.stream.send('delta', delta([set(1, 'address.street', 'y'), set(1, 'address.street', 'z')]))
    expect(heard.splice(0)).to.deep.equal(['users delta', 'users.** delta', 'users.address.* delta'])
    bench.stream.send('payload', payload([]))
    expect(heard.splice(0)).to.have.length(4)
    bench.client.off('users').off('users.**')
    bench.stream.send('delta', delta([set(5, '.', { _id: 5 })]))
    expect(heard).to.deep.equal(['users.* delta', 'users.address.* delta'])
    bench.client.close()
  })

  it('takes one listener or all of a pattern off', async () => {
    const bench = await new Bench().ready()
    const heard: string[] = []
    const first = () => heard.push('first')
    bench.client.on('users', first).on('users', () => heard.push('second'))
    bench.client.off('users', first)
    bench.stream.send('delta', delta([set(1, 'a', 1)]))
    expect(heard).to.deep.equal(['second'])
    expect(() => bench.client.on('users..a', nothing))
      .to.throw()
      .with.property('code', 'INVALID_OPTION')
    expect(() => bench.client.on('users', 5 as never))
      .to.throw()
      .with.property('code', 'INVALID_OPTION')
    bench.client.close()
  })

  it('tells subscribers of every change, with snapshots that stay as they are', async () => {
    const bench = await new Bench().ready()
    const { client } = bench
    const snapshots: unknown[] = [client.getSnapshot('users')]
    const unsubscribe = client.subscribe(() => snapshots.push(client.getSnapshot('users')))
    bench.stream.send('ping', { timestamp: TIMESTAMP })
    bench.stream.send('delta', delta([set(1, 'name', 'Eve')]))
    unsubscribe()
    bench.stream.send('delta', delta([set(1, 'name', 'Zoe')]))
    expect(snapshots).to.deep.equal([[{ _id: 1, name: 'Ann' }], [{ _id: 1, name: 'Eve' }]])
    expect(client.getSnapshot()).to.equal(client.getSnapshot())
    expect(client.getSnapshot()).to.deep.equal({ users: [{ _id: 1, name: 'Zoe' }] })
    client.close()
  })

  it('resolves ready when the model is complete, and calls back', async () => {
    const bench = new Bench()
    const called: unknown[] = []
    const ready = bench.client.ready((...args) => called.push(args))
    await bench.ready()
    expect(await ready).to.equal(bench.client.data)
    expect(await bench.client.ready()).to.equal(bench.client.data)
    expect(called).to.deep.equal([[]])
    bench.client.close()
  })

  it('rejects ready when it is closed, and leaves the process alone where nobody listens', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    const bench = new Bench()
    const errors: unknown[] = []
    void bench.client.ready()
    void bench.client.ready((error) => errors.push(error?.code))
    bench.client.close()
    expect(await bench.client.ready().catch((error) => error)).to.be.instanceOf(ParticleError)
    await settle()
    process.off('unhandledRejection', listener)
    expect(unhandled).to.deep.equal([])
    expect(errors).to.deep.equal(['CLOSED'])
    expect(bench.requests).to.have.length(0)
    expect(bench.statuses).to.deep.equal(['closed'])
  })

  it('goes on, and says so, when a callback throws', async () => {
    const fail = () => {
      throw new Error('from a callback')
    }
    const bench = new Bench({ onData: fail, onStatus: fail, onDebug: fail })
    bench.client.on('users', fail)
    bench.client.subscribe(fail)
    void bench.client.ready(fail)
    await bench.ready()
    await settle()
    expect(bench.client.status).to.equal('ready')
    expect(bench.client.data.users).to.have.length(1)
    expect(bench.errors.map(({ code }) => code)).to.include('CALLBACK_FAILED')
    bench.client.close()
  })

  it('prints what a callback threw where there is no onError, or where that throws itself', async () => {
    const printed: unknown[] = []
    const { error } = console
    console.error = (message) => printed.push(message)
    try {
      const fail = () => {
        throw new Error('from a callback')
      }
      const bench = await new Bench({ onData: fail, onError: undefined as never }).ready()
      bench.client.close()
      const other = await new Bench({ onData: fail, onError: fail }).ready()
      other.client.close()
    } finally {
      console.error = error
    }
    expect(printed).to.have.length(2)
  })

  it('can be closed from any callback', async () => {
    for (const name of ['onData', 'onStatus', 'onDebug'] as const) {
      const bench: Bench = new Bench({ [name]: () => bench.client.close() })
      await settle()
      if (bench.client.status !== 'closed') await bench.ready()
      expect(bench.client.status).to.equal('closed')
      expect(bench.clock.timers.size).to.equal(0)
    }
  })

  it('refuses options that it does not know, and such as make no sense', () => {
    for (const options of [
      { uri: 'x' },
      { onData: 5 },
      { onRegister: nothing, url: 'http://localhost' },
      { toString: nothing },
    ]) {
      expect(() => new Client(options as never), JSON.stringify(options))
        .to.throw(ParticleError)
        .with.property('code', 'INVALID_OPTION')
    }
  })
})

describe('Client with onRegister', () => {
  it('takes its events from there, and changes none of what it is given', async () => {
    const documents = [{ _id: 1, tags: ['a'] }]
    const oplist = [{ operation: 'push', id: 1, path: 'tags', data: 'b' }]
    const frozen = structuredClone({ documents, oplist })
    let stopped = 0
    const identities: unknown[] = []
    const client = new Client({
      identity: () => ({ user: 'ann' }),
      onRegister: (identity, receiver) => {
        identities.push(identity)
        receiver('manifest', manifest())
        receiver('payload', payload(documents))
        receiver('ready', { timestamp: new Date() })
        receiver('delta', delta(oplist))
        return () => stopped++
      },
    })
    await client.ready()
    expect(client.data).to.deep.equal({ users: [{ _id: 1, tags: ['a', 'b'] }] })
    expect({ documents, oplist }).to.deep.equal(frozen)
    expect(identities).to.deep.equal([{ user: 'ann' }])
    client.close()
    await settle()
    expect(stopped).to.equal(1)
  })

  it('stops a registration that was still under way when it was closed', async () => {
    let stopped = 0
    let finish: (stop: () => void) => void = nothing
    const client = new Client({
      onRegister: () =>
        new Promise((resolve) => {
          finish = resolve
        }),
    })
    await settle()
    client.close()
    finish(() => stopped++)
    await settle()
    expect(stopped).to.equal(1)
  })

  it('is refused by an error that says UNAUTHORIZED, however it comes', async () => {
    const refusal = new ParticleError('UNAUTHORIZED', 'The identity was refused')
    for (const onRegister of [
      (_identity: unknown, _receiver: unknown, done: (error: unknown) => void) => done(refusal),
      () => Promise.reject(refusal),
      () => {
        throw refusal
      },
      () => Promise.reject(Object.assign(new Error('no'), { code: 'UNAUTHORIZED' })),
    ]) {
      const client = new Client({ onRegister })
      expect(await client.ready().catch(({ code }) => code)).to.equal('UNAUTHORIZED')
      expect(client.status).to.equal('refused')
    }
  })

  it('comes back after any other error', async () => {
    const clock = new FakeClock()
    const errors: string[] = []
    let calls = 0
    const client = new Client(
      {
        onError: ({ code }) => errors.push(code),
        onRegister: (_identity, receiver, done) => {
          calls++
          if (calls === 1) throw new Error('away')
          done()
          receiver('payload', payload([{ _id: calls }]))
          receiver('ready', { timestamp: TIMESTAMP })
          if (calls === 2) done(new ParticleError('UNAVAILABLE', 'closing'))
        },
      },
      { clock, random: () => 0 },
    )
    await settle()
    expect(errors).to.deep.equal(['CALLBACK_FAILED'])
    await clock.pass(1000)
    expect(client.status).to.equal('reconnecting')
    expect(client.data.users).to.deep.equal([{ _id: 2 }])
    await clock.pass(1000)
    expect(client.status).to.equal('ready')
    expect(client.data.users).to.deep.equal([{ _id: 3 }])
    expect(errors).to.deep.equal(['CALLBACK_FAILED'])
    client.close()
  })
})
