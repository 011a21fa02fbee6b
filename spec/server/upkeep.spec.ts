import { expect } from 'chai'
import { Log } from '../../lib/server/feed/log.ts'
import { Upkeep, type UpkeepOptions } from '../../lib/server/upkeep.ts'
import { eventually } from '../support/http.ts'

describe('server/upkeep', () => {
  it('drops the changes that come after the last stream, once no client can need them', async () => {
    const replay = { bytes: 1e6, ms: 20 }
    const log = new Log(replay)
    const feed = { adapter: { compare: () => 0 }, floor: 0, floorPosition: undefined }
    const append = () =>
      log.append({ feed, changes: [], point: String, adapters: [], bytes: 100 }, Date.now())
    let sweeps = 0
    const sweep = () => {
      // Comes just before the first sweep, after the last stream.
      if (++sweeps === 1) append()
    }
    const part = { sweep, catchUps: { sweep() {} }, readings: { sweep() {} } }
    const options = { heartbeat: 1_000, sessionTtl: 2_000, replay }
    const upkeep = new Upkeep({
      options,
      log,
      views: part,
      following: { sweep() {} },
      host: part,
    } as unknown as UpkeepOptions)
    append()
    upkeep.rest()
    await eventually(() => log.floor === 2, 'an empty log')
    expect([log.bytes, sweeps]).to.deep.equal([0, 2])
    upkeep.stop()
  })
})
