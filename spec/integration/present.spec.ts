import { expect } from 'chai'
import { related } from '../../lib/index.ts'
import type { ServerOptions } from '../../lib/server/index.ts'
import { type MemoryAdapter, memory } from '../../lib/source/memory/index.ts'
import { until } from '../support/local.ts'
import { Nodes } from '../support/nodes.ts'
import type { StreamReader } from '../support/stream.ts'

const SECRET = 'the secret of all nodes'
const PASSWORD = 'hunter2'

interface Person {
  name: string
  admin?: boolean
}

/** Nobody is shown what was there before the right to see it. */
describe('What was there before a grant', () => {
  const nodes = new Nodes()
  let store: MemoryAdapter
  let people: Map<string, Person>

  const startNode = (options: Partial<ServerOptions> = {}) =>
    nodes.start({
      secret: SECRET,
      identityLookup: (user) => people.get(String(user)),
      dataSources: {
        board: { manifest: { text: true }, collection: store.collection('board') },
        secrets: {
          manifest: { text: true },
          collection: store.collection('secrets'),
          criteria: ({ admin }: Person) => (admin ? {} : undefined),
        },
      },
      ...options,
    } as ServerOptions)
  const handshake = async (url: string, identity: unknown, previous?: string): Promise<string> => {
    const response = await fetch(`${url}/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ identity, previous }),
    })
    return ((await response.json()) as { token: string }).token
  }
  const open = async (url: string, token?: string, position?: string) => {
    const stream = await nodes.open(url, token, position)
    await until(() => stream.names().includes('ready'), 'ready')
    return stream
  }
  const textOf = (stream: StreamReader) => JSON.stringify(stream.events)
  const secrets = () => store.collection('secrets')
  /** What was never to be seen by those who come later: written, and removed again. */
  const leak = async () => {
    await secrets().insertOne({ _id: 1, text: PASSWORD })
    await secrets().deleteOne({ _id: 1 })
    await secrets().insertOne({ _id: 2, text: 'the new one' })
  }
  const expectPresentOf = (stream: StreamReader) => {
    expect(textOf(stream)).not.to.contain(PASSWORD)
    expect(textOf(stream)).to.contain('the new one')
  }

  beforeEach(() => {
    store = memory()
    people = new Map([
      ['ann', { name: 'ann', admin: true }],
      ['ben', { name: 'ben' }],
    ])
  })
  describe('is not shown for a position', () => {
    it('that was changed in any character, cut, or put together of two', async () => {
      const { url } = await startNode()
      const ann = await open(url, await handshake(url, 'ann'))
      const first = ann.lastId()
      await leak()
      await until(() => ann.of('delta').flatMap(({ data }) => data.oplist).length === 3)
      const last = ann.lastId()
      const token = await handshake(url, 'ann')
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
      const forged = [...last].map((letter, at) => {
        const other = alphabet[(alphabet.indexOf(letter) + 1 + at) % 64]
        return `${last.slice(0, at)}${other}${last.slice(at + 1)}`
      })
      for (const size of [16, 32, 48]) {
        forged.push(first.slice(0, size) + last.slice(size), last.slice(0, size) + first.slice(size))
        forged.push(last.slice(0, size), last + last.slice(0, size))
      }
      for (const position of forged.filter((text) => text !== first && text !== last)) {
        const stream = await open(url, token, position)
        expect(stream.events[0]?.data, position).to.include({ resumed: false, reason: 'position-unknown' })
        expectPresentOf(stream)
        stream.close()
      }
    })

    it('that another client has, who had the right before, on any node', async () => {
      const [one, two] = [await startNode(), await startNode()]
      const ann = await open(one.url, await handshake(one.url, 'ann'))
      const position = ann.lastId()
      await leak()
      people.set('ben', { name: 'ben', admin: true })
      for (const granting of [one, two]) {
        const token = await handshake(granting.url, 'ben')
        for (const { url } of [one, two]) {
          const ben = await open(url, token, position)
          expectPresentOf(ben)
          expect(ben.of('reset').map(({ data }) => data.root)).to.have.members(['board', 'secrets'])
        }
        // What a client was given under its grant is honoured on any node.
        for (const { url } of [one, two]) {
          const own = await open(url, token)
          await secrets().updateOne({ _id: 2 }, { $set: { text: 'the new one, again' } })
          const back = await open(one.url, token, own.lastId())
          expect([back.of('reset'), back.of('payload')]).to.deep.equal([[], []])
        }
      }
    })

    it('of before the grant, also where the client had the same right once, and keeps its first token', async () => {
      const { url, server } = await startNode()
      people.set('ben', { name: 'ben', admin: true })
      const token = await handshake(url, 'ben')
      const ben = await open(url, token)
      const position = ben.lastId()
      people.set('ben', { name: 'ben' })
      await server.refresh(({ name }: Person) => name === 'ben')
      await leak()
      expect(textOf(ben)).not.to.contain(PASSWORD)
      people.set('ben', { name: 'ben', admin: true })
      await server.refresh(({ name }: Person) => name === 'ben')
      await until(() => ben.of('session').length === 2)
      ben.close()
      expectPresentOf(await open(url, token, position))
      expectPresentOf(await open(url, ben.of('session')[1]?.data.token, position))
      expectPresentOf(await open(url, await handshake(url, 'ben', token), position))
    })

    it('of before a link was gone for a while, with the first token', async () => {
      const members = store.collection('members')
      await members.insertOne({ _id: 1, user: 'ben', team: 'a' })
      const { url } = await startNode({
        dataSources: {
          secrets: {
            manifest: { text: true },
            collection: secrets(),
            criteria: { team: related('@name').through(members, 'user', 'team') },
          },
        },
      } as Partial<ServerOptions>)
      const write = (_id: number, text: string) => secrets().insertOne({ _id, team: 'a', text })
      const token = await handshake(url, 'ben')
      const ben = await open(url, token)
      const position = ben.lastId()
      await members.deleteOne({ _id: 1 })
      await until(() => ben.of('session').length === 1)
      await write(1, PASSWORD)
      await secrets().deleteOne({ _id: 1 })
      await write(2, 'the new one')
      await members.insertOne({ _id: 1, user: 'ben', team: 'a' })
      await until(() => ben.of('session').length === 2 && textOf(ben).includes('the new one'))
      expectPresentOf(ben)
      for (const each of [token, ben.of('session')[1]?.data.token])
        expectPresentOf(await open(url, each, position))
    })

    it('and the token of another client, or an own one of other rights, as the previous one', async () => {
      const { url } = await startNode()
      const annToken = await handshake(url, 'ann')
      const benToken = await handshake(url, 'ben')
      const ann = await open(url, annToken)
      const ben = await open(url, benToken)
      const positions = [ann.lastId(), ben.lastId()]
      ann.close()
      ben.close()
      await leak()
      people.set('ben', { name: 'ben', admin: true })
      for (const previous of [annToken, benToken]) {
        const token = await handshake(url, 'ben', previous)
        for (const position of positions) expectPresentOf(await open(url, token, position))
      }
    })

    it('but for one that was given under the grant, whoever else was granted anything since', async () => {
      const { url } = await startNode()
      const token = await handshake(url, 'ann')
      const ann = await open(url, token)
      ann.close()
      await secrets().insertOne({ _id: 3, text: 'three' })
      await open(url, await handshake(url, 'ann'))
      const again = await open(url, await handshake(url, 'ann', token), ann.lastId())
      expect(again.names()).to.deep.equal(['manifest', 'delta', 'ready'])
    })
  })

  describe('is not shown to who comes', () => {
    const kinds: [string, object][] = [
      ['all documents', {}],
      ['some of them', { criteria: { team: 'a' } }],
      ['an order', { sort: { n: 1 } }],
      ['the first of an order', { sort: { n: 1 }, limit: 2 }],
    ]
    for (const [kind, options] of kinds) {
      it(`to a view of ${kind}, from a snapshot that others share`, async () => {
        const notes = store.collection('notes')
        await notes.insertMany([
          { _id: 1, team: 'a', n: 1, text: PASSWORD },
          { _id: 2, team: 'a', n: 2, text: PASSWORD },
          { _id: 3, team: 'b', n: 3, text: '' },
        ])
        const { url } = await startNode({
          identityLookup: undefined,
          dataSources: { notes: { manifest: { text: true, n: true }, collection: notes, ...options } },
        } as Partial<ServerOptions>)
        const first = await open(url)
        expect(textOf(first)).to.contain(PASSWORD)
        await notes.updateOne({ _id: 1 }, { $set: { text: 'changed', n: 5 } })
        await notes.deleteOne({ _id: 2 })
        await notes.insertOne({ _id: 4, team: 'a', n: 4, text: PASSWORD })
        await notes.updateOne({ _id: 4 }, { $set: { text: 'new' } })
        await until(() => textOf(first).includes('"new"'))
        const later = await open(url)
        expect(textOf(later)).not.to.contain(PASSWORD)
        expect(later.names()).to.deep.equal(['manifest', 'payload', 'ready'])
        const read = await notes.find('criteria' in options ? { team: 'a' } : {}).toArray()
        const truth = read
          .map(({ _id, n, text }) => ({ _id, n, text }))
          .sort((a, b) => Number(a.n) - Number(b.n))
        const shown = later.of('payload')[0]?.data.data as typeof truth
        const sorted = 'sort' in options ? shown : [...shown].sort((a, b) => Number(a.n) - Number(b.n))
        expect(sorted).to.deep.equal('limit' in options ? truth.slice(0, 2) : truth)
      })
    }

    it('in mid-stream, by a difference that was made for others before', async () => {
      people.set('eve', { name: 'eve' })
      const { url, server } = await startNode()
      await secrets().insertOne({ _id: 1, text: PASSWORD })
      const [ben, eve] = [
        await open(url, await handshake(url, 'ben')),
        await open(url, await handshake(url, 'eve')),
      ]
      people.set('ben', { name: 'ben', admin: true })
      await server.refresh(({ name }: Person) => name === 'ben')
      await until(() => textOf(ben).includes(PASSWORD))
      await secrets().updateOne({ _id: 1 }, { $set: { text: 'the new one' } })
      people.set('eve', { name: 'eve', admin: true })
      await server.refresh(({ name }: Person) => name === 'eve')
      await until(() => textOf(eve).includes('the new one'))
      expectPresentOf(eve)
    })
  })
})
