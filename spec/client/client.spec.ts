import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import type { Receiver } from '../../lib/client/register.ts'
import { ParticleError } from '../../lib/errors.ts'
import {
  Bench,
  delta,
  FakeClock,
  FakeEventSource,
  FakeFrames,
  manifest,
  payload,
  set,
  settle,
  TIMESTAMP,
} from './fakes.ts'

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

  it('keeps the array of a large root current for all that hold it, in each callback and at each read', async () => {
    const bench = new Bench()
    await settle()
    const documents = Array.from({ length: 10_001 }, (_, _id) => ({ _id }))
    bench.stream.open()
    bench.stream.send('manifest', manifest())
    bench.stream.send('payload', payload(documents, 0, true))
    bench.stream.send('ready', { timestamp: TIMESTAMP })
    const { data } = bench.client
    const users = data.users ?? []
    const move = (id: number, at: number) =>
      bench.stream.send('delta', delta([{ operation: 'noop', id, path: '.', at }]))
    const seen: unknown[] = []
    const stop = bench.client.subscribe(() => seen.push([users[0]?._id, users[1]?._id]))
    move(7, 0)
    move(8, 0)
    stop()
    move(9, 0)
    expect(data.users).to.equal(users)
    expect(seen).to.deep.equal([
      [7, 0],
      [8, 7],
    ])
    expect(users.slice(0, 3).map(({ _id }) => _id)).to.deep.equal([9, 8, 7])
    bench.client.close()
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

  it('tells subscribers of every status', async () => {
    const bench = new Bench()
    const statuses: string[] = []
    bench.client.subscribe(() => statuses.push(bench.client.status))
    await bench.ready()
    bench.client.pause()
    bench.client.close()
    expect(statuses.filter((status, at) => status !== statuses[at - 1])).to.deep.equal([
      'waiting',
      'ready',
      'paused',
      'closed',
    ])
  })

  it('gives pages that take over HTML of the server the snapshots of a new client', async () => {
    const bench = await new Bench().ready()
    const { getServerSnapshot } = bench.client
    expect(getServerSnapshot()).to.deep.equal({})
    expect(getServerSnapshot('users')).to.deep.equal([]).and.to.equal(getServerSnapshot('users'))
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

describe('What arrives together', () => {
  it('is one notification of onData, of each listener and of each subscriber, once a frame in a visible page', async () => {
    const frames = new FakeFrames()
    const heard: string[] = []
    let receive: Receiver = nothing
    const client = new Client(
      {
        onRegister: (_identity, receiver) => {
          receive = receiver
        },
        onData: (data, event, events) => {
          expect(data).to.equal(client.data)
          expect(event).to.equal(events.at(-1))
          heard.push(`onData ${events.length} ${event.event}`)
        },
      },
      { requestFrame: frames.request },
    )
    client.subscribe(() => heard.push(`subscribe ${client.status}`))
    client.on('users.name', (data, event, events) => {
      expect(data).to.equal(client.data.users)
      expect(event).to.equal(events.at(-1))
      heard.push(`on ${events.length}`)
    })
    await settle()
    receive('manifest', manifest())
    receive('payload', payload(Array.from({ length: 2000 }, (_, _id) => ({ _id, n: 0, name: 'x' }))))
    receive('ready', { timestamp: TIMESTAMP })
    expect(heard.splice(0)).to.deep.equal([
      'subscribe waiting',
      'on 1',
      'onData 1 payload',
      'subscribe ready',
      'subscribe ready',
    ])
    for (let id = 0; id < 2000; id++) {
      receive('delta', delta([set(id, id % 2 ? 'n' : 'name', 1)]))
      if (id % 500 === 0) await settle()
    }
    expect(client.data.users?.[1999], 'the model is current at once').to.include({ n: 1 })
    expect(client.getSnapshot('users')[1999]).to.include({ n: 1 })
    await settle()
    expect(heard).to.deep.equal([])
    frames.paint()
    expect(heard.splice(0).sort()).to.deep.equal(['on 1000', 'onData 2000 delta', 'subscribe ready'])
    frames.paint()
    expect(heard).to.deep.equal([])
    client.close()
  })

  it('is one notification outside of a page too, right after it arrived', async () => {
    const sizes: number[] = []
    let receive: Receiver = nothing
    const client = new Client({
      onRegister: (_identity, receiver) => {
        receive = receiver
      },
      onData: (_data, _event, events) => sizes.push(events.length),
    })
    await settle()
    receive('manifest', manifest())
    receive('payload', payload([{ _id: 1 }]))
    receive('ready', { timestamp: TIMESTAMP })
    for (let batch = 1; batch <= 3; batch++) {
      for (let n = 0; n < batch; n++) receive('delta', delta([set(1, 'n', n)]))
      await Promise.resolve()
    }
    expect(sizes).to.deep.equal([1, 1, 2, 3])
    client.close()
  })

  it('is told before the client says that it is ready, before ready resolves and before close ends', async () => {
    const order: string[] = []
    const bench = new Bench({
      notify: 'batch',
      onData: (data, { event }) => order.push(`${event} ${data.users?.length}`),
      onStatus: (status) => order.push(status),
    })
    void bench.client.ready(() => order.push('resolved'))
    await bench.ready()
    await settle()
    expect(order.splice(0)).to.deep.equal(['waiting', 'payload 1', 'ready', 'resolved'])
    bench.stream.send('delta', delta([set(2, '.', { _id: 2 })]))
    void bench.client.ready(() => order.push('resolved'))
    await settle()
    expect(order.splice(0)).to.deep.equal(['delta 2', 'resolved'])
    bench.stream.send('delta', delta([set(3, '.', { _id: 3 })]))
    bench.client.close()
    expect(order.splice(0)).to.deep.equal(['delta 3', 'closed'])
    await settle()
    expect(order).to.deep.equal([])
  })

  it('is told once though a root is loaded anew in its middle', async () => {
    const events: string[][] = []
    const bench = new Bench({
      notify: 'batch',
      onData: (_data, _event, all) => events.push(all.map(({ event }) => event)),
    })
    await bench.ready()
    events.splice(0)
    bench.stream.send('delta', delta([set(1, 'n', 1)]))
    bench.stream.send('reset', { root: 'users', reason: 'x' })
    bench.stream.send('payload', payload([{ _id: 2 }]))
    await settle()
    expect(events).to.deep.equal([['delta', 'payload']])
    expect(bench.statuses).to.deep.equal(['waiting', 'ready', 'waiting', 'ready'])
    bench.client.close()
  })

  it('names to a listener only the events that touched its pattern while it listened', async () => {
    const bench = await new Bench({ notify: 'batch' }).ready()
    const events: unknown[][] = []
    bench.stream.send('delta', delta([set(1, 'name', 'too early')]))
    bench.client.on('users.name', (_data, _event, all) => events.push(all.map(({ data }) => data)))
    const touching = [delta([set(1, 'name', 'a')]), delta([set(1, 'name', 'b')])]
    for (const data of [touching[0], delta([set(1, 'n', 1)]), touching[1]])
      bench.stream.send('delta', data ?? {})
    await settle()
    expect(events).to.deep.equal([touching])
    bench.client.close()
  })

  it('reaches everyone who still listens, whatever a listener does in its middle', async () => {
    for (const harm of ['throws', 'unsubscribes the others', 'closes the client'] as const) {
      const bench = await new Bench({ notify: 'batch' }).ready()
      const { client } = bench
      const heard: string[] = []
      const ends: (() => void)[] = []
      client.on('users', () => {
        heard.push('first')
        if (harm === 'throws') throw new Error('from a listener')
        if (harm === 'closes the client') client.close()
        else for (const end of ends) end()
      })
      const second = () => heard.push('second')
      client.on('users', second)
      ends.push(
        () => client.off('users', second),
        // A client that is closed calls its subscribers for the status too.
        client.subscribe(() => heard.at(-1) !== 'subscriber' && heard.push('subscriber')),
      )
      bench.stream.send('delta', delta([set(1, 'n', 1)]))
      await settle()
      const all = ['first', 'second', 'subscriber']
      expect(heard, harm).to.deep.equal(harm === 'unsubscribes the others' ? ['first'] : all)
      expect(client.data.users).to.deep.equal([{ _id: 1, name: 'Ann', n: 1 }])
      expect(bench.errors.map(({ code }) => code)).to.deep.equal(harm === 'throws' ? ['CALLBACK_FAILED'] : [])
      client.close()
      expect(bench.clock.timers.size).to.equal(0)
    }
  })

  it('can be had an event at a time', async () => {
    const frames = new FakeFrames()
    const all: string[][] = []
    const bench = await new Bench(
      { notify: 'event', onData: (_data, _event, events) => all.push(events.map(({ event }) => event)) },
      { requestFrame: frames.request },
    ).ready()
    bench.stream.send('delta', delta([set(1, 'n', 1)]))
    bench.stream.send('delta', delta([set(1, 'n', 2)]))
    expect(all).to.deep.equal([['payload'], ['delta'], ['delta']])
    expect(frames.waiting).to.equal(0)
    bench.client.close()
  })
})

describe('A page that renders a client', () => {
  it('can pass on all of its functions as they are', async () => {
    const prototypes = [Client.prototype, Object.getPrototypeOf(Client.prototype)]
    const methods = prototypes
      .filter((prototype) => prototype !== Object.prototype)
      .flatMap((prototype) => Object.entries(Object.getOwnPropertyDescriptors(prototype)))
      .filter(([name, { value }]) => name !== 'constructor' && typeof value === 'function')
    expect(
      methods.map(([name]) => name),
      'functions that need the client as this',
    ).to.deep.equal([])

    const bench = await new Bench().ready()
    const { ready, on, off, subscribe, getSnapshot, close } = bench.client
    const heard: string[] = []
    const listener = () => heard.push('on')
    expect(on('users', listener)).to.equal(bench.client)
    const end = subscribe(() => heard.push('subscribe'))
    expect(await ready()).to.equal(bench.client.data)
    bench.stream.send('delta', delta([set(1, 'name', 'Eve')]))
    expect(heard).to.deep.equal(['on', 'subscribe'])
    expect(getSnapshot('users')).to.deep.equal([{ _id: 1, name: 'Eve' }])
    expect(getSnapshot()).to.equal(getSnapshot())
    off('users', listener)
    end()
    close()
    expect(bench.client.status).to.equal('closed')
  })

  it('has the same snapshots at any time before, between and after events', async () => {
    const bench = new Bench()
    const { getSnapshot } = bench.client
    const stable = () => {
      expect(getSnapshot()).to.equal(getSnapshot())
      expect(getSnapshot('users')).to.equal(getSnapshot('users'))
      expect(getSnapshot('users')).to.be.an('array').that.is.frozen
    }
    stable()
    await bench.ready()
    stable()
    bench.stream.send('ping', { timestamp: TIMESTAMP })
    stable()
    bench.stream.send('delta', delta([set(1, 'name', 'Eve')]))
    stable()
    bench.client.close()
    stable()
  })

  it('leaves nothing behind when it makes a client, closes it and makes another one', async () => {
    const listeners = new Map<string, number>()
    const { addEventListener, removeEventListener } = globalThis
    const count = (by: number) => (type: string) => void listeners.set(type, (listeners.get(type) ?? 0) + by)
    Object.assign(globalThis, { addEventListener: count(1), removeEventListener: count(-1) })
    try {
      for (const when of ['at once', 'during the handshake', 'while the stream opens', 'later'] as const) {
        const frames = new FakeFrames()
        const bench = new Bench({ notify: 'frame' }, { requestFrame: frames.request })
        bench.client.subscribe(nothing)
        if (when === 'during the handshake') await Promise.resolve()
        if (when === 'while the stream opens') await settle()
        if (when === 'later') {
          await bench.ready()
          bench.stream.send('delta', delta([set(1, 'name', 'Eve')]))
          expect(frames.waiting).to.equal(1)
        }
        bench.client.close()
        await settle()
        expect(
          [...listeners.values()].filter((left) => left !== 0),
          when,
        ).to.deep.equal([])
        expect([bench.clock.timers.size, frames.waiting], when).to.deep.equal([0, 0])
        expect(
          FakeEventSource.all.filter(({ closed }) => !closed),
          when,
        ).to.deep.equal([])
        if (when === 'at once') expect(bench.requests).to.deep.equal([])
      }
    } finally {
      Object.assign(globalThis, { addEventListener, removeEventListener })
    }
  })
})

describe('A name that is not there', () => {
  it('is told once, with the names that there are, as soon as the manifest is known', async () => {
    const bench = new Bench()
    bench.client.on('user', nothing).on('users', nothing).on('**', nothing)
    await settle()
    bench.stream.open()
    expect(bench.errors).to.deep.equal([])
    bench.stream.send('manifest', manifest({ users: { name: true }, tasks: true }))
    bench.stream.send('manifest', manifest({ users: { name: true }, tasks: true }))
    bench.client.on('user', nothing).on('users.nmae', nothing)
    expect(bench.errors.map(({ code, message }) => `${code}: ${message}`)).to.deep.equal([
      'INVALID_OPTION: Nothing can touch the pattern "user": there is no root "user"; there is "users", "tasks".',
      'INVALID_OPTION: Nothing can touch the pattern "users.nmae": the manifest has no field "nmae"; there is "_id", "name".',
    ])
    bench.client.close()
  })

  it('is told by console.error where there is no onError', async () => {
    const printed: unknown[] = []
    const { error } = console
    console.error = (message) => printed.push(message)
    try {
      const bench = new Bench({ onError: undefined as never })
      bench.client.on('jbs', nothing)
      await bench.ready()
      bench.client.close()
    } finally {
      console.error = error
    }
    expect(printed).to.have.length(1)
    expect(String(printed[0])).to.include('there is no root "jbs"; there is "users"')
  })

  it('is refused as an option, with the known ones', () => {
    const refused = (options: object) => {
      try {
        new Client(options).close()
      } catch (error) {
        return (error as ParticleError).message
      }
      return undefined
    }
    for (const name of ['onDate', 'uri', 'transport'])
      expect(refused({ [name]: nothing })).to.match(
        new RegExp(
          `^The option "${name}" is not known; known are url, identity, notify, linger, initial, onData, .*fetch\\.$`,
        ),
      )
    expect(refused({ notify: 'frames' })).to.equal(
      'The option notify must be one of "frame", "batch", "event".',
    )
  })

  it('is refused beside onRegister where it is about the server, as the sharing of a stream is', () => {
    for (const option of [
      { url: '/particle' },
      { fetch },
      { EventSource: class {} },
      { share: async () => undefined },
    ])
      expect(() => new Client({ onRegister: nothing, ...(option as object) }).close()).to.throw(
        ParticleError,
        'onRegister replaces url, EventSource, fetch and share',
      )
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
