import { expect } from 'chai'
import fc from 'fast-check'
import { related } from '../../lib/index.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually } from '../support/http.ts'
import { Nodes } from '../support/nodes.ts'
import type { StreamReader } from '../support/stream.ts'

interface User {
  name: string
  team: string
}
const SECRET = 'a secret of at least thirty-two characters'
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('A stream that is being admitted', () => {
  const nodes = new Nodes()
  let store: ReturnType<typeof memory>
  let lookups: number
  let lookup: (name: string) => Promise<User | null>

  const membersOf = async (name: string) => {
    const [member] = await store.collection('members').find({ name }).toArray()
    return member ? { name, team: String(member.team) } : null
  }
  const options = (): ServerOptions => ({
    secret: SECRET,
    identityLookup: ({ name }: { name: string }) => {
      lookups++
      return lookup(name)
    },
    dependsOn: [{ collection: store.collection('members'), criteria: { name: '@name' } }],
    dataSources: {
      cards: { manifest: true, collection: store.collection('cards'), criteria: { team: '@team' } },
    },
    onError: () => {},
  })
  /** Lookups that only a request can be answered by. */
  const byRequest = (): Partial<ServerOptions> => ({
    identityLookup: (_given, _done, request) => {
      lookups++
      return lookup(String(request?.headers['x-login']))
    },
  })
  const start = async (more: Partial<ServerOptions> = {}) => {
    const { server, url } = await nodes.start({ ...options(), ...more })
    const handshake = async (name: string, previous?: string) => {
      const response = await fetch(`${url}/handshake`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Login': name },
        body: JSON.stringify({ identity: { name }, carrier: 'header', previous }),
      })
      return ((await response.json()) as { token: string }).token
    }
    const open = (token: string, position?: string) => nodes.open(url, token, position)
    return { server, handshake, open }
  }
  /** The cards of one's team to which links lead. */
  const ofLinks = () => ({
    manifest: true as const,
    collection: store.collection('cards'),
    criteria: {
      team: '@team',
      _id: related('@name').through(store.collection('links'), 'name', 'card'),
    },
  })
  const isReady = (stream: StreamReader) => eventually(() => stream.names().includes('ready'), 'ready')
  const textOf = ({ events }: StreamReader) => JSON.stringify(events)

  beforeEach(async () => {
    store = memory()
    lookups = 0
    lookup = membersOf
    await store.collection('members').insertMany([{ _id: 1, name: 'ann', team: 'a' }])
    await store.collection('cards').insertMany([
      { _id: 1, team: 'a', text: 'secret of a' },
      { _id: 2, team: 'b', text: 'secret of b' },
    ])
  })

  describe('with a token of before what its identity depends on changed', () => {
    for (const resumed of [false, true]) {
      const how = resumed ? 'by a position' : 'afresh'
      it(`is sent nothing of the old rights, ${how}, here or at another node`, async () => {
        const [here, there] = [await start(), await start()]
        const token = await here.handshake('ann')
        const before = await here.open(token)
        await isReady(before)
        const position = resumed ? before.lastId() : undefined
        before.close()
        await eventually(() => here.server.stats().connections === 0, 'the end of the first stream')
        await store.collection('members').deleteMany({})
        await store.collection('cards').insertOne({ _id: 3, team: 'a', text: 'after the expulsion' })
        for (const { open } of [here, there]) {
          const stream = await open(token, position)
          expect([stream.status, stream.events]).to.deep.equal([401, []])
        }
      })

      it(`is sent to a handshake where its lookup reads the request, ${how}`, async () => {
        const [here, there] = [await start(byRequest()), await start(byRequest())]
        const token = await here.handshake('ann')
        const before = await here.open(token)
        await isReady(before)
        const position = resumed ? before.lastId() : undefined
        before.close()
        await store.collection('members').updateOne({ _id: 1 }, { $set: { team: 'b' } })
        const stale = await there.open(token, position)
        expect([stale.status, textOf(stale)]).to.deep.equal([401, '[]'])
        const stream = await there.open(await there.handshake('ann', token), position)
        await isReady(stream)
        expect(textOf(stream)).to.contain('secret of b')
        expect(textOf(stream)).not.to.contain('secret of a')
      })
    }

    it('goes by the present where only the documents of others changed, at any node, with no further lookup', async () => {
      const [here, there] = [await start(byRequest()), await start(byRequest())]
      const token = await here.handshake('ann')
      await store.collection('members').insertOne({ _id: 2, name: 'ben', team: 'b' })
      const before = lookups
      for (const { open } of [here, there]) await isReady(await open(token))
      expect(lookups).to.equal(before)
    })
  })

  it('is waited for by a refresh while its relations are read, and goes by what is found then', async () => {
    let reads = 0
    let go = () => {}
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    const read = store.read.bind(store)
    store.read = async (...given: Parameters<typeof read>) => {
      if (given[0] !== 'links') return read(...given)
      reads++
      await held
      return read(...given)
    }
    await store.collection('links').insertMany([
      { _id: 1, name: 'ann', card: 1 },
      { _id: 2, name: 'ann', card: 2 },
    ])
    const old = await start()
    const token = await old.handshake('ann')
    const sealed = await start({ dependsOn: undefined, dataSources: { cards: ofLinks() } })
    lookup = async (name) => ({ name, team: 'b' })
    const opening = sealed.open(token)
    await eventually(() => reads > 0, 'the reading of the links')
    const refreshed = sealed.server.refresh()
    let resolved = false
    void refreshed.then(() => {
      resolved = true
    })
    for (let i = 0; i < 20; i++) await turn()
    expect(resolved).to.equal(false)
    go()
    const stream = await opening
    expect(await refreshed).to.equal(1)
    await isReady(stream)
    expect(textOf(stream)).to.contain('secret of b')
    expect(textOf(stream)).not.to.contain('secret of a')
  })

  it('ends within 2 s of a refresh whose lookup hangs, and is not opened again before it answers', async () => {
    const { server, handshake, open } = await start()
    const token = await handshake('ann')
    const stream = await open(token)
    await isReady(stream)
    lookup = () => new Promise(() => {})
    const began = performance.now()
    expect(await server.refresh()).to.equal(1)
    expect(performance.now() - began).to.be.within(1_500, 3_500)
    await eventually(() => stream.ended(), 'the end')
    await store.collection('cards').insertOne({ _id: 3, team: 'a', text: 'after' })
    expect(textOf(stream)).not.to.contain('after')
    lookup = async (name) => ({ name, team: 'b' })
    const again = await open(token)
    await isReady(again)
    expect(textOf(again)).not.to.contain('secret of a')
  })

  it('gets no data from 2 s after a refresh or a change until its lookup, however many wait for theirs', async function () {
    this.timeout(30_000)
    const { server } = await start()
    const clients = await Promise.all(
      Array.from({ length: 150 }, async () => {
        const events: string[] = []
        const close = await server.register({ name: 'ann' }, (name, data) => {
          events.push(`${name} ${JSON.stringify(data)}`)
        })
        await eventually(() => events.some((each) => each.startsWith('ready')), 'ready')
        return { events, close }
      }),
    )
    const cards = store.collection('cards')
    let answer = () => {}
    for (const decide of [
      () => void server.refresh(),
      () => void store.collection('members').updateOne({ _id: 1 }, { $set: { note: 'seen' } }),
    ]) {
      const waiting = new Promise<void>((resolve) => {
        answer = resolve
      })
      // The lookups that run first are fast enough, and end no stream.
      lookup = async (name) => {
        await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 1_200))])
        return membersOf(name)
      }
      const began = performance.now()
      decide()
      const after = { _id: `after ${began}`, team: 'a' }
      await new Promise((resolve) => setTimeout(resolve, 2_100))
      await cards.insertOne(after)
      const have = () => clients.filter(({ events }) => events.some((each) => each.includes(after._id)))
      for (let i = 0; i < 5; i++) await turn()
      expect(have().length).to.be.lessThan(clients.length)
      answer()
      await eventually(() => have().length === clients.length, 'the change, for all')
      // Each client gets the change once, and no root anew.
      for (const { events } of clients) {
        expect(events.filter((each) => each.includes(after._id))).to.have.length(1)
        expect(events.filter((each) => each.startsWith('reset'))).to.deep.equal([])
      }
    }
    expect(server.stats().connections).to.equal(clients.length)
    for (const { close } of clients) close()
  })

  it('is met by what is decided between any two of its steps, of a renewal’s and of a resume’s', async function () {
    this.timeout(120_000)
    const decision = fc.constantFrom('revoke', 'refresh')
    const phase = fc.constantFrom('handshake', 'stream', 'resume', 'renewal')
    /** Where in the phase the decision falls: so many turns of the event loop, then so many steps of promises. */
    const moment = fc.record({ turns: fc.nat(12), steps: fc.nat(40) })
    const slow = fc.nat(4)
    let [opened, refused] = [0, 0]
    const links = [1, 2, 3].map((card) => ({ _id: card, name: 'ann', card }))
    await store.collection('links').insertMany(links)
    await fc.assert(
      fc.asyncProperty(decision, phase, moment, slow, async (decision, phase, { turns, steps }, slow) => {
        await store.collection('cards').deleteMany({ _id: { $gte: 3 } })
        let team: string | null = 'a'
        lookup = async (name) => {
          const found = team
          for (let i = 0; i < slow; i++) await turn()
          return found === null ? null : { name, team: found }
        }
        const read = store.read.bind(store)
        store.read = async (...given: Parameters<typeof read>) => {
          for (let i = 0; i < slow && given[0] === 'links'; i++) await turn()
          return read(...given)
        }
        const serve = () =>
          new Server({ ...options(), dependsOn: undefined, dataSources: { cards: ofLinks() } })
        // A stream is opened where nothing was read yet: the token is another node's.
        const [node, other] = [serve(), serve()]
        try {
          const events: string[] = []
          const sink = {
            write: (bytes: Buffer) => events.push(bytes.toString()) > 0,
            buffered: () => 0,
            onDrain: (listener: () => void) => void setImmediate(listener),
            end: () => {},
          }
          const open = (token: string, position?: string) =>
            node.openStream(token, [], { position, open: () => sink as never }).catch(() => {})
          const grant = (previous?: string) => node.grant({ name: 'ann' }, undefined, previous)
          const shown = () => events.join('')
          let { token } = await (phase === 'stream' ? other : node).grant(
            { name: 'ann' },
            undefined,
            undefined,
          )
          let position: string | undefined
          if (phase === 'resume' || phase === 'renewal') {
            const stop = await open(token)
            await eventually(() => shown().includes('event: ready'), 'ready')
            position = [...shown().matchAll(/^id: ?(.+)$/gm)].at(-1)?.[1]
            if (phase === 'resume') stop?.()
            events.length = 0
          }
          const going = (async () => {
            if (phase === 'handshake' || phase === 'renewal') {
              const answer = await grant(phase === 'renewal' ? token : undefined).catch(() => undefined)
              token = answer?.token ?? token
            }
            if (phase !== 'renewal') await open(token, position)
          })()
          for (let i = 0; i < turns; i++) await turn()
          for (let i = 0; i < steps; i++) await Promise.resolve()
          team = decision === 'revoke' ? null : 'b'
          if (decision === 'revoke') node.revoke(() => true)
          else await node.refresh()
          const already = shown()
          await store.collection('cards').insertOne({ _id: 3, team: 'a', text: 'after the decision' })
          await going
          for (let i = 0; i < 30; i++) await turn()
          expect(shown()).not.to.contain('after the decision')
          expect(shown().slice(already.length).replace(already, '')).not.to.contain('"secret of a"')
          if (decision === 'revoke') expect(node.stats().connections).to.equal(0)
          else expect(node.stats().connections).to.equal(1)
          if (node.stats().connections > 0) opened++
          else refused++
        } finally {
          store.read = read
          await Promise.all([node.disconnect(), other.disconnect()])
        }
      }),
      { numRuns: 300 },
    )
    expect([opened > 20, refused > 20]).to.deep.equal([true, true])
  })
})
