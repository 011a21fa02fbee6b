import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { until } from '../support/local.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

interface User {
  team: string
  teams?: string[]
}

describe('Rights that change in mid-stream', () => {
  const streams: StreamReader[] = []
  const clients: { close(): void }[] = []
  const errors: Error[] = []
  /** What the application knows of its users. */
  const users = new Map<string, User>()
  let server: Server
  let listening: http.Server
  let url: string
  let lookups: number
  let lookup: (name: string) => unknown
  const store = memory()
  const cards = store.collection('cards')

  const start = async (options: Partial<ServerOptions> = {}) => {
    server = new Server({
      identityLookup: (given: { user: string }) => {
        lookups++
        return lookup(given.user)
      },
      dataSources: {
        cards: { manifest: { text: true }, collection: cards, criteria: { team: '@team' } },
        all: { manifest: { team: true }, collection: cards },
      },
      onError: (error) => errors.push(error),
      ...options,
    })
    listening = http.createServer(server.middleware()).listen(0)
    await once(listening, 'listening')
    url = `http://localhost:${(listening.address() as AddressInfo).port}/particle`
  }
  const handshake = async (user: string, previous?: string) => {
    const response = await fetch(`${url}/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ identity: { user }, previous }),
    })
    return { status: response.status, ...((await response.json()) as { token: string }) }
  }
  const open = async (token: string, lastEventId?: string) => {
    const headers = {
      Authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }),
    }
    const stream = await readStream(`${url}/stream`, headers)
    streams.push(stream)
    return stream
  }
  const connect = async (user: string) => {
    const { token } = await handshake(user)
    const stream = await open(token)
    await until(() => stream.names().includes('ready'))
    return { token, stream, before: stream.events.length }
  }
  const told = (stream: StreamReader, after: number) =>
    stream.events.slice(after).map(({ name, data, id }) => {
      if (name === 'delta') return [data.root, ...data.oplist.map(Object.values)]
      return [name, ...(data.root ? [data.root] : []), ...(id === 'none' ? [id] : [])]
    })

  beforeEach(async () => {
    await cards.deleteMany({})
    await cards.insertMany([
      { _id: 1, team: 'a', text: 'one' },
      { _id: 2, team: 'a', text: 'two' },
      { _id: 3, team: 'b', text: 'three' },
      { _id: 4, team: 'c', text: 'four' },
    ])
    users.clear()
    users.set('ann', { team: 'a' })
    users.set('ben', { team: 'b' })
    errors.length = 0
    lookups = 0
    lookup = (name) => users.get(name)
    await start()
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    for (const stream of streams.splice(0)) stream.close()
    await server.disconnect()
    listening.close()
  })

  describe('revoke', () => {
    it('ends the streams of those who are meant with a last word, and nobody else’s', async () => {
      const [ann, ben] = [await connect('ann'), await connect('ben')]
      expect(server.revoke((user: User) => user.team === 'a', 'left the team')).to.equal(1)
      await until(() => ann.stream.ended())
      expect(ann.stream.events.at(-1)).to.deep.include({ name: 'revoked', data: { reason: 'left the team' } })
      await cards.updateOne({ _id: 3 }, { $set: { text: 'III' } })
      await until(() => ben.stream.of('delta').length === 1)
    })

    it('refuses the tokens that they have, also those whose handshake was under way', async () => {
      const { token } = await handshake('ann')
      let answer = () => {}
      lookup = (name) =>
        new Promise((resolve) => {
          answer = () => resolve(users.get(name))
        })
      const pending = handshake('ann')
      await until(() => lookups === 2)
      server.revoke((_user, given: { user: string }) => given.user === 'ann')
      answer()
      const late = await pending
      lookup = (name) => users.get(name)
      expect([(await open(token)).status, (await open(late.token)).status]).to.deep.equal([401, 401])
      expect((await open((await handshake('ann')).token)).status).to.equal(200)
      expect((await open((await handshake('ben')).token)).status).to.equal(200)
    })

    it('refuses a stream whose identity was being looked up anew, and looks it up again where rights were refreshed', async () => {
      const [ann, ben] = [await handshake('ann'), await handshake('ben')]
      const answers = new Map<string, (user: unknown) => void>()
      lookup = (name) => new Promise((resolve) => answers.set(name, resolve))
      await server.refresh()
      const [first, second] = [open(ann.token), open(ben.token)]
      await until(() => answers.size === 2)
      const refreshed = server.refresh()
      const outdated = [...answers.values()]
      answers.clear()
      for (const answer of outdated) answer({ team: 'a' })
      await until(() => answers.size === 2)
      answers.get('ann')?.({ team: 'c' })
      const stream = await first
      await until(() => stream.names().includes('ready'))
      expect(stream.of('payload').find(({ data }) => data.root === 'cards')?.data.data[0]._id).to.equal(4)
      server.revoke(() => true)
      answers.get('ben')?.({ team: 'b' })
      expect((await second).status).to.equal(401)
      await refreshed
    })

    it('keeps the client away: it does not come back by itself', async () => {
      const client = new Client({ url, identity: { user: 'ann' } })
      clients.push(client)
      await client.ready()
      server.revoke(() => true)
      await until(() => client.status === 'refused')
      expect(server.stats().connections).to.equal(0)
    })

    it('reports a predicate that throws, and takes the rights of those away for whom it does', async () => {
      const { stream } = await connect('ann')
      const revoked = server.revoke(() => {
        throw new Error('oops')
      })
      expect(revoked).to.equal(1)
      expect(errors.map((error) => (error as { code?: string }).code)).to.deep.equal(['CALLBACK_FAILED'])
      await until(() => stream.ended())
    })
  })

  describe('refresh', () => {
    it('sends what is gained and what is lost, for the roots whose view changed, and a new token', async () => {
      const { stream, before } = await connect('ann')
      users.set('ann', { team: 'b' })
      expect(await server.refresh()).to.equal(1)
      await until(() => stream.of('ready').length === 2 && stream.of('session').length === 1)
      const events = told(stream, before)
      expect(events.filter(([name]) => name !== 'session')).to.deep.equal([
        ['ping', 'none'],
        ['cards', ['unset', 1, '.'], ['unset', 2, '.'], ['set', 3, '.', { _id: 3, text: 'three' }]],
        ['ready'],
      ])
      await cards.updateOne({ _id: 1 }, { $set: { text: 'hidden' } })
      await cards.updateOne({ _id: 3 }, { $set: { text: 'III' } })
      await until(() => stream.of('delta').length === 2)
      expect(told(stream, stream.events.length - 1)).to.deep.equal([['cards', ['set', 3, 'text', 'III']]])
    })

    it('leaves alone what both views show', async () => {
      await server.disconnect()
      listening.close()
      await start({
        dataSources: {
          cards: { manifest: { text: true }, collection: cards, criteria: { team: { $in: '@teams' } } },
        },
      })
      users.set('ann', { team: '', teams: ['a', 'b'] })
      const { stream, before } = await connect('ann')
      await cards.updateOne({ _id: 4 }, { $set: { text: 'IV' } })
      users.set('ann', { team: '', teams: ['b', 'c'] })
      await server.refresh((user: User) => user.teams?.includes('a'))
      await until(() => stream.of('ready').length === 2)
      expect(told(stream, before).filter(([name]) => name === 'cards')).to.deep.equal([
        ['cards', ['unset', 1, '.'], ['unset', 2, '.'], ['set', 4, '.', { _id: 4, text: 'IV' }]],
      ])
    })

    it('sends nothing but a token where nothing changed, and the client goes on where it was', async () => {
      const { stream, before } = await connect('ann')
      await server.refresh()
      await until(() => stream.of('session').length === 1)
      await cards.updateOne({ _id: 1 }, { $set: { text: 'I' } })
      await until(() => stream.of('delta').length === 1)
      expect(told(stream, before)).to.deep.equal([['session'], ['cards', ['set', 1, 'text', 'I']]])
    })

    it('is not undone by an older token: its rights are looked up when it comes', async () => {
      const { token } = await handshake('ann')
      users.set('ann', { team: 'c' })
      expect(await server.refresh()).to.equal(0)
      const stream = await open(token)
      await until(() => stream.names().includes('ready') && stream.names().includes('session'))
      expect(stream.of('payload').find(({ data }) => data.root === 'cards')?.data.data).to.deep.equal([
        { _id: 4, text: 'four' },
      ])
      expect(stream.names()[0]).to.equal('manifest')
      users.delete('ann')
      expect((await open(token)).status).to.equal(401)
    })

    it('lets positions of before and after it go on, each for the roots that it holds for', async () => {
      const { token, stream } = await connect('ann')
      const keeper = await connect('ben')
      const old = stream.lastId()
      users.set('ann', { team: 'b' })
      await server.refresh()
      await until(() => stream.of('ready').length === 2 && stream.of('session').length === 1)
      const renewed = stream.of('session')[0]?.data.token
      const fresh = stream.lastId()
      stream.close()
      await cards.updateOne({ _id: 3 }, { $set: { text: 'III' } })
      const rows: [string, string, unknown[]][] = [
        [renewed, fresh, ['manifest', 'delta', 'ready']],
        [renewed, old, ['manifest', 'reset', 'payload', 'ready']],
      ]
      for (const [bearer, position, expected] of rows) {
        const back = await open(bearer, position)
        await until(() => back.names().includes('ready'))
        expect(back.names().filter((name) => name !== 'session')).to.deep.equal(expected)
        for (const { data } of back.of('reset'))
          expect(data).to.deep.equal({ root: 'cards', reason: 'rights-changed' })
      }
      // The cookie of a browser still holds the first token.
      const back = await open(token, fresh)
      await until(() => back.names().includes('ready'))
      expect(back.names().filter((name) => name !== 'session')).to.deep.equal(['manifest', 'delta', 'ready'])
      keeper.stream.close()
    })

    it('ends the stream where the lookup refuses, and where it fails', async () => {
      const [ann, ben] = [await connect('ann'), await connect('ben')]
      lookup = (name) => {
        if (name === 'ann') return null
        throw new Error('the database is away')
      }
      await server.refresh()
      await until(() => ann.stream.ended() && ben.stream.ended())
      expect(ann.stream.events.at(-1)?.data).to.deep.equal({ reason: 'identity-refused' })
      expect(ben.stream.names()).not.to.include('revoked')
      expect((await open(ben.token)).status).to.equal(503)
    })

    it('takes nothing of the old rights along while the new ones are being looked up and read', async () => {
      const { stream } = await connect('ann')
      let answer = () => {}
      lookup = () =>
        new Promise((resolve) => {
          answer = () => resolve({ team: 'b' })
        })
      const refreshed = server.refresh()
      await until(() => lookups === 2)
      answer()
      await refreshed
      await cards.updateOne({ _id: 1 }, { $set: { text: 'hidden' } })
      await until(() => stream.of('ready').length === 2)
      expect(JSON.stringify(stream.events)).not.to.contain('hidden')
    })

    it('keeps a client of ours current, through reconnects too', async () => {
      const client = new Client<{ cards: { _id: number }[] }>({ url, identity: { user: 'ann' } })
      clients.push(client)
      await client.ready()
      const states: number[][] = []
      client.on('cards', (data) => states.push(data.map(({ _id }) => Number(_id))))
      users.set('ann', { team: 'b' })
      await server.refresh()
      await until(() => client.data.cards?.length === 1)
      expect(states).to.deep.equal([[3]])
      expect(client.status).to.equal('ready')
    })
  })
})
