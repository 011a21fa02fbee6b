import { expect } from 'chai'
import { AggregatorRegistry, Gauge, Registry } from 'prom-client'
import { ParticleError } from '../../lib/errors.ts'
import particle from '../../lib/index.ts'
import { collectMetrics } from '../../lib/metrics/index.ts'
import { traceServer } from '../../lib/otel/index.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { openStream, presenting } from '../support/sse.ts'

describe('The metrics of a server', () => {
  it('refuse the handler of a middleware, and name the server in it', () => {
    const handler = particle.middleware({ dataSources: { users: { collection: users, manifest: true } } })
    for (const collect of [collectMetrics, traceServer])
      expect(() => Reflect.apply(collect, undefined, [handler]))
        .to.throw(ParticleError, 'takes a particle.Server, but this is a handler of particle.middleware()')
        .with.property('code', 'INVALID_OPTION')
  })

  const register = new Registry()
  const store = memory()
  const users = store.collection('users')
  let server: Server
  let listening: Listening
  let stop: () => void

  before(async () => {
    await users.insertOne({ _id: 1, name: 'Ada' })
    server = new Server({
      identityLookup: (given) => (Object(given).name === 'ada' ? { userId: 1 } : null),
      dataSources: { users: { collection: users, manifest: { name: true } } },
    })
    stop = collectMetrics(server, { register })
    listening = await listen(server.middleware())
  })

  after(async () => {
    await server.disconnect()
    await listening.close()
  })

  /** Scrapes the metrics as Prometheus does, by their names and labels. */
  const scrape = async () => {
    const lines = (await register.metrics()).split('\n').filter((line) => line && !line.startsWith('#'))
    return Object.fromEntries(lines.map((line) => line.split(/ (?=[^ ]*$)/)))
  }

  it('are not collected for an unknown option, which is named', () => {
    expect(() => collectMetrics(server, { registry: register } as object)).to.throw(
      'collectMetrics(server, options): option "registry" is not known; "register" was perhaps meant',
    )
  })

  it('leave a registry as it is that has one of their names, and say what to give', () => {
    const own = new Registry()
    const gauge = new Gauge({ name: 'particle_lag_seconds', help: 'of the application', registers: [own] })
    for (const [given, name] of [
      [own, 'particle_lag_seconds'],
      [register, 'particle_connections'],
    ] as const)
      expect(() => collectMetrics(server, { register: given }))
        .to.throw(ParticleError, `the registry has ${name} already: give another prefix`)
        .with.property('code', 'INVALID_OPTION')
    expect(() => collectMetrics(server, { register: own, prefix: 'my-app ' })).to.throw('Invalid metric name')
    expect(own.getMetricsAsArray()).to.deep.equal([gauge])
  })

  it('count the streams, handshakes, changes and bytes that clients really get', async () => {
    const refused = await shake(`${listening.url}/particle`, { name: 'eve' }).catch(String)
    expect(refused).to.match(/401/, String(refused))
    const tokens = [await tokenOf('ada'), await tokenOf('ada')]
    const readers = await Promise.all(
      tokens.map((token) => openStream(`${listening.url}/particle/stream`, presenting(token))),
    )
    for (const reader of readers) await reader.next('ready')
    const { particle_sent_bytes_total: before } = await scrape()
    await users.updateOne({ _id: 1 }, { $set: { name: 'Ada Lovelace' } })
    for (const reader of readers) await reader.next('delta')
    await eventually(() => server.stats().buffered === 0, 'the streams took all bytes')
    const figures = await scrape()
    expect(figures).to.include({
      particle_connections: '2',
      particle_views: '1',
      'particle_root_subscribers{root="users"}': '2',
      'particle_root_documents{root="users"}': '1',
      'particle_source_failing{source="memory"}': '0',
      'particle_handshakes_total{outcome="new"}': '2',
      'particle_handshakes_total{outcome="UNAUTHORIZED"}': '1',
      'particle_lookup_seconds_count{outcome="found"}': '2',
      'particle_lookup_seconds_count{outcome="refused"}': '1',
      'particle_changes_total{source="memory"}': '1',
      'particle_deliveries_total{source="memory"}': '2',
      'particle_lag_seconds_count{source="memory"}': '1',
      'particle_view_read_seconds_count{root="users"}': '1',
      particle_ready_seconds_count: '2',
    })
    expect(Number(figures.particle_sent_bytes_total) - Number(before)).to.be.above(2 * 'Ada Lovelace'.length)
  })

  it('of several processes are a state, an age and a moment of one, and the sum of the rest', async () => {
    const fails = () => Promise.reject(new Error('down'))
    const adapter = { name: 'down', past: fails, open: fails, read: fails, compare: () => 0 }
    const broken = { collection: { adapter, collectionName: 'x' }, manifest: true as const }
    const own = new Server({
      dataSources: { broken, users: { collection: users, manifest: true } },
      onError() {},
    })
    const registers = [new Registry(), new Registry()]
    for (const each of registers) collectMetrics(own, { register: each })
    void own.register({}, () => {}).catch(() => {})
    await eventually(() => own.stats().sources.down?.state === 'failing', 'the failure')
    await eventually(() => own.stats().sources.memory?.state === 'open', 'the other source')
    const last = own.stats().replay.changes
    await users.updateOne({ _id: 1 }, { $set: { at: performance.now() } })
    await eventually(() => own.stats().replay.changes > last, 'the change')
    const figures = await Promise.all(registers.map((each) => each.getMetricsAsJSON()))
    const text = await AggregatorRegistry.aggregate(figures).metrics()
    await own.disconnect()
    const figureOf = (name: string) =>
      Number(new RegExp(`^particle_${name}(?:{.*})? (.*)$`, 'm').exec(text)?.[1])
    expect(figureOf('connections')).to.equal(2)
    expect(figureOf('source_failing')).to.equal(1)
    expect(figureOf('source_changed_timestamp_seconds')).to.be.at.most(Date.now() / 1000)
    expect(figureOf('replay_age_seconds')).to.be.below(figureOf('source_changed_timestamp_seconds'))
  })

  it('leave the registry when they are stopped', async () => {
    stop()
    expect(register.getMetricsAsArray()).to.deep.equal([])
    const again = stop
    stop = collectMetrics(server, { register })
    again()
    expect(await register.metrics()).to.include('particle_connections 2')
    stop()
    stop = collectMetrics(server, { register, prefix: 'app_' })
    expect(await register.metrics()).to.include('app_connections 2')
  })

  async function tokenOf(name: string): Promise<string> {
    return (await shake(`${listening.url}/particle`, { name })).token
  }
})
