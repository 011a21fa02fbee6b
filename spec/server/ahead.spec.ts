import { expect } from 'chai'
import type { Id } from '../../lib/model/document.ts'
import { Server } from '../../lib/server/index.ts'
import { AheadSource } from '../support/ahead.ts'
import { until } from '../support/local.ts'
import { Visitor } from '../support/visitor.ts'

const KINDS = {
  'a view of all': {},
  'a view with a criteria': { criteria: { team: '@team' } },
  'a sorted view': { criteria: { team: '@team' }, sort: { rank: 1 } },
  'a sorted and limited view': { criteria: { team: '@team' }, sort: { rank: 1 }, limit: 3 },
} as const

/** More entries than a snapshot is kept at hand for. */
const MANY = 1_100

describe('A source that reads ahead of what it has told', () => {
  const servers: Server[] = []
  const errors: Error[] = []
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.disconnect()))
    expect(errors.splice(0)).to.deep.equal([])
  })

  for (const [kind, options] of Object.entries(KINDS)) {
    const setUp = (nodes = 1, limits = {}) => {
      const source = new AheadSource()
      for (const rank of [1, 2, 3, 4, 5]) source.put({ _id: `u${rank}`, team: 'a', rank })
      source.put({ _id: 'other', team: 'b', n: 0 })
      const made = Array.from({ length: nodes }, () => {
        const server = new Server({
          secret: 'a secret of more than thirty-two characters',
          limits,
          identityLookup: (identity) => identity,
          dataSources: { users: { manifest: true, collection: source.handle('users'), ...options } },
          onError: (error) => errors.push(error),
        })
        servers.push(server)
        return server
      })
      /** Uses up the snapshot at hand: who comes next has the source read again. */
      const useUp = () => {
        for (let n = 0; n < MANY; n++) source.put({ _id: 'other', team: 'b', n })
      }
      return { source, servers: made as [Server, ...Server[]], useUp }
    }
    const limited = 'limit' in options
    /** The ids of those that are left, as a client of this kind shows them. */
    const all = (...left: number[]) => [
      ...(kind === 'a view of all' ? ['other'] : []),
      ...(limited ? left.slice(0, 3) : left).map((rank) => `u${rank}`),
    ]
    const settled = (ids: Id[], ...visitors: Visitor[]) =>
      until(
        () => visitors.every((one) => one.ready && String(sorted(one.ids)) === String(ids)),
        `all of ${ids}`,
        1500,
      ).catch((error: Error) => {
        throw new Error(`${error.message}: ${visitors.map((one) => `[${one.ids}]`).join(' ')}`)
      })
    /** A view without an order gives documents in any. */
    const sorted = (ids: Id[]) => ('sort' in options ? ids : [...ids].sort())

    describe(kind, () => {
      it('leaves no document with those who are open when others have it read again', async () => {
        const { source, servers, useUp } = setUp()
        const open = await new Visitor().come(servers[0])
        useUp()
        source.vanish('u2', 'u4')
        const late = await new Visitor().come(servers[0])
        const knew = late.ids.includes('u2')
        source.tell()
        await settled(all(1, 3, 5), open, late)
        source.put({ _id: 'u2', team: 'a', rank: 2 })
        await settled(all(1, 2, 3, 5), open, late)
        if (!knew && kind !== 'a view of all') expect(late.text.match(/"u4"/g)).to.equal(null)
      })

      it('leaves none where what it had to tell is lost', async () => {
        const { source, servers, useUp } = setUp()
        const open = await new Visitor().come(servers[0])
        useUp()
        source.vanish('u2', 'u4')
        const late = await new Visitor().come(servers[0])
        source.lose()
        await settled(all(1, 3, 5), open, late)
      })

      it('leaves none with those who come back from before it was read', async () => {
        const { source, servers, useUp } = setUp()
        const away = await new Visitor().come(servers[0])
        const later = await new Visitor().come(servers[0])
        const open = await new Visitor().come(servers[0])
        away.go()
        later.go()
        useUp()
        source.vanish('u2', 'u4')
        const late = await new Visitor().come(servers[0])
        await away.come(servers[0])
        source.tell()
        await later.come(servers[0])
        await settled(all(1, 3, 5), open, late, away, later)
      })

      it('leaves none with those who come from another node', async () => {
        const { source, servers, useUp } = setUp(2)
        const [here, there = here] = servers
        const open = await new Visitor().come(here)
        const away = await new Visitor().come(there)
        useUp()
        await until(() => away.ready)
        source.vanish('u2', 'u4')
        const late = await new Visitor().come(here)
        away.go()
        await away.come(here)
        source.tell()
        await settled(all(1, 3, 5), open, late, away)
      })

      it('leaves none with those who come back when nobody remembers what they held', async () => {
        const { source, servers } = setUp(1, { restingViews: 0 })
        const away = await new Visitor().come(servers[0])
        const later = await new Visitor().come(servers[0])
        const other = await new Visitor().come(servers[0], { team: 'b' })
        away.go()
        later.go()
        source.vanish('u2', 'u4')
        await away.come(servers[0])
        await later.come(servers[0])
        source.tell()
        await settled(all(1, 3, 5), away, later)
        other.go()
      })

      it('leaves none with those where that is lost', async () => {
        const { source, servers } = setUp(1, { restingViews: 0 })
        const away = await new Visitor().come(servers[0])
        const other = await new Visitor().come(servers[0], { team: 'b' })
        away.go()
        source.vanish('u2', 'u4')
        await away.come(servers[0])
        source.lose()
        await settled(all(1, 3, 5), away)
        other.go()
      })

      it('leaves none with those who come from another node to one that nobody was at', async () => {
        const { source, servers } = setUp(2)
        const [here, there = here] = servers
        const away = await new Visitor().come(there)
        const later = await new Visitor().come(there)
        source.vanish('u2', 'u4')
        away.go()
        await away.come(here)
        source.put({ _id: 'other', team: 'b', n: 1 })
        await until(() => !later.ready || later.text.includes('"n":1') || kind !== 'a view of all')
        later.go()
        await later.come(here)
        source.tell()
        await settled(all(1, 3, 5), away, later)
      })

      it('resumes those who come back from after it was read', async () => {
        const { source, servers, useUp } = setUp()
        const open = await new Visitor().come(servers[0])
        useUp()
        source.vanish('u2', 'u4')
        const late = await new Visitor().come(servers[0])
        source.tell()
        await settled(all(1, 3, 5), open, late)
        for (const one of [open, late]) one.go()
        source.put({ _id: 'u2', team: 'a', rank: 2 })
        const resets = open.resets + late.resets
        for (const one of [open, late]) await one.come(servers[0])
        await settled(all(1, 2, 3, 5), open, late)
        expect(open.resets + late.resets).to.equal(resets)
      })
    })
  }
})
