import { expect } from 'chai'
import { type DataEvent, Moments } from '../../lib/client/moments.ts'
import { Bench, delta, manifest, payload, set, settle, TIMESTAMP } from './fakes.ts'

const TOGETHER = [['from', 'to']]
const more = (root: string, value: number): object => ({ ...delta([set(1, 'n', value)], root), more: true })
const last = (root: string, value: number): object => delta([set(1, 'n', value)], root)
const end = (root: string): object => delta([], root)
const ready = { timestamp: TIMESTAMP }

describe('client/moments', () => {
  const event = (root: string, isMore = false): DataEvent => ({
    event: 'delta',
    data: { root, timestamp: TIMESTAMP, oplist: [], ...(isMore ? { more: true } : {}) },
  })
  const load = (root: string): DataEvent => ({
    event: 'payload',
    data: { root, timestamp: TIMESTAMP, data: [], part: 0, last: true },
  })
  const begun = () => {
    const moments = new Moments()
    moments.begin([...TOGETHER, ['a', 'b']], () => true)
    return moments
  }

  it('lets everything pass for a root that shares its adapter with no other', () => {
    const moments = begun()
    expect(moments.take(event('lone', true))).to.have.length(1)
    expect(moments.take(load('lone'))).to.have.length(1)
  })

  it('lets everything pass until the first moment of the group has ended', () => {
    const moments = new Moments()
    moments.begin(TOGETHER, () => false)
    expect(moments.take(load('from'))).to.have.length(1)
    expect(moments.take(event('from', true))).to.have.length(1)
    expect(moments.take(event('to'))).to.have.length(1)
    expect(moments.take(event('from', true))).to.have.length(0)
  })

  it('keeps what has more, and payloads, and gives all of a group at its end, in order', () => {
    const moments = begun()
    const [first, second, third, other] = [event('from', true), load('to'), event('to'), event('a', true)]
    for (const each of [first, second, other]) expect(moments.take(each)).to.deep.equal([])
    expect(moments.take(third)).to.deep.equal([first, second, third])
    expect(moments.end()).to.deep.equal([other])
  })

  it('drops what it keeps of a root that is loaded anew', () => {
    const moments = begun()
    const kept = event('to', true)
    for (const each of [event('from', true), kept]) moments.take(each)
    moments.reset('from')
    expect(moments.end()).to.deep.equal([kept])
  })

  it('drops what it keeps when a stream begins, and still keeps moments', () => {
    const moments = begun()
    moments.take(event('from', true))
    moments.begin(TOGETHER, () => true)
    expect(moments.end()).to.deep.equal([])
    expect(moments.take(event('to', true))).to.deep.equal([])
  })

  it('keeps the events of roots that still share an adapter when others come or go', () => {
    const moments = begun()
    const kept = event('to', true)
    for (const each of [event('from', true), kept]) moments.take(each)
    moments.regroup([['to', 'third']], (root) => root === 'to')
    expect(moments.end()).to.deep.equal([kept])
  })

  it('keeps a root that is not shown yet by itself, until its own end or ready', () => {
    const moments = begun()
    moments.regroup([['from', 'to', 'new', 'newer']], (root) => root === 'from' || root === 'to')
    const [added, newer, caughtUp] = [load('new'), load('newer'), event('new')]
    for (const each of [added, newer]) expect(moments.take(each)).to.deep.equal([])
    const other = event('to')
    expect(moments.take(other)).to.deep.equal([other])
    expect(moments.take(caughtUp)).to.deep.equal([added, caughtUp])
    const part = event('new', true)
    expect(moments.take(part)).to.deep.equal([])
    const last = event('from')
    expect(moments.take(last)).to.deep.equal([part, last])
    expect(moments.end()).to.deep.equal([newer])
    expect(moments.take(event('newer', true))).to.deep.equal([])
  })
})

describe('A client of roots that share an adapter', () => {
  interface Shown {
    data: unknown
    snapshot: unknown
  }
  const connected = async () => {
    const shown: Shown[] = []
    const bench: Bench = new Bench({
      onData: (data: unknown) =>
        shown.push({ data: structuredClone(data), snapshot: bench.client.getSnapshot() }),
    })
    await settle()
    const { stream } = bench
    stream.open()
    stream.send('manifest', { ...manifest({ from: true, to: true }), together: TOGETHER })
    stream.send('payload', payload([{ _id: 1, n: 9 }], 0, true, 'from'))
    stream.send('payload', payload([{ _id: 1, n: 1 }], 0, true, 'to'))
    stream.send('ready', ready)
    shown.length = 0
    const sums = () =>
      shown.map(({ data }) => {
        const { from, to } = data as Record<string, { n: number }[]>
        return (from?.[0]?.n ?? 0) + (to?.[0]?.n ?? 0)
      })
    return { bench, client: bench.client, stream, shown, sums }
  }

  it('shows both parts of a transaction at once, to every kind of listener', async () => {
    const { client, stream, shown, sums } = await connected()
    const heard: unknown[] = []
    client.subscribe(() => heard.push(client.getSnapshot()))
    client.on('from.n', () => heard.push(client.getSnapshot()))
    client.on('to.n', () => heard.push(client.getSnapshot()))
    stream.send('delta', more('from', 5))
    expect(client.data).to.deep.equal({ from: [{ _id: 1, n: 9 }], to: [{ _id: 1, n: 1 }] })
    expect([shown, heard]).to.deep.equal([[], []])
    stream.send('delta', last('to', 5))
    expect(sums()).to.deep.equal([10, 10])
    expect(heard.length).to.be.at.least(3)
    const both = { from: [{ _id: 1, n: 5 }], to: [{ _id: 1, n: 5 }] }
    for (const each of [...heard, ...shown.map(({ snapshot }) => snapshot)]) expect(each).to.deep.equal(both)
    client.close()
  })

  it('shows a root that was replaced together with the others', async () => {
    const { client, stream, sums } = await connected()
    stream.send('reset', { root: 'from', reason: 'x' })
    stream.send('delta', more('to', 4))
    stream.send('payload', payload([{ _id: 1, n: 6 }], 0, true, 'from'))
    expect([client.status, sums()]).to.deep.equal(['waiting', []])
    stream.send('delta', end('to'))
    expect([client.status, sums()]).to.deep.equal(['ready', [10, 10]])
    client.close()
  })

  it('calls nobody for the end of a moment that changed nothing', async () => {
    const { client, stream, shown } = await connected()
    stream.send('delta', end('from'))
    expect(shown).to.deep.equal([])
    client.close()
  })

  it('shows what a broken stream left open only as of the next stream', async () => {
    const { bench, client, stream, sums } = await connected()
    stream.send('delta', more('from', 5), 'none')
    stream.fail()
    await bench.clock.pass(60_000)
    bench.stream.open()
    bench.stream.send('manifest', { ...manifest({ from: true, to: true }), together: TOGETHER })
    bench.stream.send('payload', payload([{ _id: 1, n: 3 }], 0, true, 'from'))
    expect(client.data).to.deep.equal({ from: [{ _id: 1, n: 9 }], to: [{ _id: 1, n: 1 }] })
    bench.stream.send('payload', payload([{ _id: 1, n: 7 }], 0, true, 'to'))
    bench.stream.send('ready', ready)
    expect(sums()).to.deep.equal([10, 10])
    client.close()
  })
})
