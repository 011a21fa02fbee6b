import { expect } from 'chai'
import type { ServerOptions } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually } from '../support/http.ts'
import { Nodes } from '../support/nodes.ts'
import type { StreamReader } from '../support/stream.ts'

interface User {
  user: string
  team: string
}

const isAnn = ({ user }: User) => user === 'ann'

describe('A right that a client lost while it was away, and has again', () => {
  const nodes = new Nodes()
  let store: ReturnType<typeof memory>
  /** The team in which the application has Ann. */
  let team: string

  /** Starts a node with a client that keeps the view in memory, as an office of several people does. */
  const start = async (readsRequest: boolean, more: Partial<ServerOptions> = {}) => {
    const find = ({ user }: { user: string }) => ({ user, team: user === 'ann' ? team : 'a' })
    const { server, url } = await nodes.start({
      secret: 'a secret of at least thirty-two characters',
      identityLookup: readsRequest ? (given, _done, request) => request && find(given) : find,
      dataSources: {
        cards: { manifest: true, collection: store.collection('cards'), criteria: { team: '@team' } },
      },
      ...more,
    })
    const handshake = async (previous?: string, user = 'ann') => {
      const response = await fetch(`${url}/handshake`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ identity: { user }, carrier: 'header', previous }),
      })
      return ((await response.json()) as { token: string }).token
    }
    /** Opens a stream, at its end of loading. */
    const open = async (token: string, position?: string) => {
      const stream = await nodes.open(url, token, position)
      expect(stream.status).to.equal(200)
      await eventually(() => stream.names().includes('ready'), 'ready')
      return stream
    }
    /** Ends a stream of Ann, and returns its position. */
    const leave = async (stream: StreamReader) => {
      const position = stream.lastId()
      stream.close()
      await eventually(() => server.stats().connections === 1, 'the end of the stream')
      return position
    }
    /** Comes once, and goes with a token and a position. */
    const visit = async () => {
      const token = await handshake()
      return { token, position: await leave(await open(token)) }
    }
    /** Opens a stream with a token that is too old, and takes the token of the refusal. */
    const refused = async (token: string, position: string) => {
      const response = await fetch(`${url}/stream`, {
        headers: { Authorization: `Bearer ${token}`, 'Last-Event-ID': position },
      })
      const { error } = (await response.json()) as { error: { code: string; token: string } }
      expect(error.code).to.equal('TOKEN_STALE')
      return error.token
    }
    await open(await handshake(undefined, 'keeper'))
    return { server, handshake, open, leave, visit, refused }
  }
  /** Changes a card twice, so that only a replay shows the first change. */
  const write = async () => {
    const cards = store.collection('cards')
    await cards.updateOne({ _id: 1 }, { $set: { text: 'hidden' } })
    await cards.updateOne({ _id: 1 }, { $set: { text: 'shown' } })
  }
  const expectReset = (stream: StreamReader) => {
    expect(stream.of('reset').map(({ data }) => data.reason)).to.deep.equal(['rights-changed'])
    expect(stream.of('payload').flatMap(({ data }) => data.data)).to.deep.equal([
      { _id: 1, team: 'a', text: 'shown' },
    ])
    expect(JSON.stringify(stream.events)).not.to.contain('hidden')
  }

  beforeEach(async () => {
    store = memory()
    team = 'a'
    await store.collection('cards').insertOne({ _id: 1, team: 'a', text: 'first' })
  })

  describe('shows nothing of the time between', () => {
    for (const readsRequest of [false, true]) {
      const how = readsRequest ? 'by its last token as the previous one' : 'by its last token'
      it(`${how}, where only the loss was told`, async () => {
        const { server, handshake, open, visit } = await start(readsRequest)
        const { token, position } = await visit()
        team = 'none'
        await server.refresh(isAnn)
        await write()
        team = 'a'
        expectReset(await open(readsRequest ? await handshake(token) : token, position))
      })

      for (const joined of [1, 2])
        it(`${how}, where what the identity depends on came back with ${joined === 1 ? 'the same' : 'another'} content`, async () => {
          const members = store.collection('members')
          await members.insertOne({ _id: 'ann', joined: 1 })
          const dependsOn = [{ collection: members, criteria: { _id: '@user' } }]
          const { handshake, open, visit, refused } = await start(readsRequest, { dependsOn })
          const { token, position } = await visit()
          await members.deleteOne({ _id: 'ann' })
          await write()
          await members.insertOne({ _id: 'ann', joined })
          const next = readsRequest && joined === 2 ? await handshake(await refused(token, position)) : token
          expectReset(await open(next, position))
        })
    }

    it('by the token of a refusal, where both the loss and the return were told', async () => {
      const { server, handshake, open, visit, refused } = await start(true)
      const { token, position } = await visit()
      team = 'none'
      await server.refresh(isAnn)
      await write()
      team = 'a'
      await server.refresh(isAnn)
      expectReset(await open(await handshake(await refused(token, position)), position))
    })

    for (const isRefusal of [false, true]) {
      const what = isRefusal ? 'the token of a refusal' : 'the last token'
      it(`by ${what} at a node whose clock may be another one, after a revoke at both nodes`, async () => {
        const [own, other] = [await start(true), await start(true)]
        const { token, position } = await own.visit()
        for (const { server } of [own, other]) server.revoke(isAnn, 'left')
        await write()
        const previous = isRefusal ? await other.refused(token, position) : token
        expectReset(await other.open(await other.handshake(previous), position))
      })
    }
  })

  describe('leaves a position valid', () => {
    it('of a stream that was opened with the same token after the return', async () => {
      const { server, open, leave, visit } = await start(false)
      const { token } = await visit()
      await server.refresh(isAnn)
      const position = await leave(await open(token))
      await write()
      const back = await open(token, position)
      expect(back.of('manifest')[0]?.data.resumed).to.equal(true)
      expect(back.of('delta')).to.have.length(2)
      // A decision while no stream is open concerns that stream's position too.
      await leave(back)
      await server.refresh(isAnn)
      expectReset(await open(token, position))
    })

    it('of a stream that went on through a change of what the identity depends on', async () => {
      const members = store.collection('members')
      await members.insertOne({ _id: 'ann', joined: 1 })
      const dependsOn = [{ collection: members, criteria: { _id: '@user' } }]
      const { handshake, open, leave } = await start(false, { dependsOn })
      const token = await handshake()
      const stream = await open(token)
      await members.updateOne({ _id: 'ann' }, { $set: { joined: 2 } })
      await eventually(() => stream.names().includes('session'), 'the new token')
      const position = await leave(stream)
      await write()
      const back = await open(token, position)
      expect(back.of('manifest')[0]?.data.resumed).to.equal(true)
      expect(back.of('delta')).to.have.length(2)
    })

    it('of a stream that went on through the decision, for a client that comes with a refused token', async () => {
      const { server, handshake, open, leave, refused } = await start(true)
      const token = await handshake()
      const stream = await open(token)
      const refreshed = server.refresh(isAnn)
      await eventually(() => stream.names().includes('renew'), 'the request for a handshake')
      await handshake(token)
      await refreshed
      const position = await leave(stream)
      await write()
      const back = await open(await handshake(await refused(token, position)), position)
      expect(back.of('manifest')[0]?.data.resumed).to.equal(true)
      expect(back.of('delta')).to.have.length(2)
    })
  })
})
