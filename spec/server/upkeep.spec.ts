import { expect } from 'chai'
import { Log } from '../../lib/server/feed/log.ts'
import { Upkeep, type UpkeepOptions } from '../../lib/server/upkeep.ts'
import { eventually } from '../support/http.ts'

describe('server/upkeep', () => {
  it('drops the changes that come while no stream is open, once no client can need them', async () => {
    const replay = { bytes: 1e6, ms: 20 }
    const log = new Log(replay)
    const feed = { adapter: { compare: () => 0 }, floor: 0, floorPosition: undefined }
    const part = { sweep() {} }
    const upkeep = new Upkeep({
      options: { heartbeat: 10, sessionTtl: 2_000 },
      log,
      views: part,
      continuations: part,
      following: part,
      host: { catchUps: part, readings: part, ids: new Set() },
      streams: { beat() {} },
    } as unknown as UpkeepOptions)
    upkeep.start()
    for (const head of [1, 2]) {
      log.append({ feed, changes: [], point: String, adapters: [], bytes: 100 }, Date.now())
      await eventually(() => log.floor === head, 'an empty log')
      expect(log.bytes).to.equal(0)
    }
    upkeep.stop()
  })
})
