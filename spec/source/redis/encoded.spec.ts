import { expect } from 'chai'
import type { ReportedChange, Subscription } from '../../../lib/source/source.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { closeAll, EncodedRecorder, Recorder } from '../mongo/fold.ts'
import { type Client, connect, freshAdapter, freshPrefix, removeAll } from './harness.ts'

describe('source/redis, for collections that nobody is shown,', () => {
  let client: Client
  let prefix: string
  const open: Subscription[] = []

  before(async function () {
    client = await connect((await redisOrSkip(this)).url)
  })
  beforeEach(() => {
    prefix = freshPrefix()
  })
  afterEach(async () => {
    await closeAll(open)
    await removeAll(client, prefix)
  })
  after(() => client?.destroy())

  it('leaves entries encoded that decode to what others are told, at the same positions', async () => {
    const adapter = freshAdapter(client, { prefix })
    const users = adapter.collection('users', { fields: { visits: 'number' } })
    const teams = adapter.collection('teams')
    const [plain, encoded] = [new Recorder(), new EncodedRecorder(['teams'])]
    for (const recorder of [plain, encoded]) open.push(await adapter.open(recorder))
    await users.set('ada', { name: 'Ada', visits: 1 })
    await users.update('ada', { visits: 2, odd: 'Zoë' })
    await users.set('ada', { name: 'Ada', visits: 3 })
    const append = (...fields: string[]) => client.sendCommand(['XADD', `${prefix}changes`, '*', ...fields])
    await append('key', `${prefix}users:bo`, 'hash', '{"visits":"7"}', 'transaction', 't')
    await append('key', `${prefix}teams:red`, 'document', '{"name":"shown"}', 'transaction', 't')
    await users.delete('ada')
    await teams.set('last', { name: 'last' })
    await users.clear()
    const isEnd = ({ kind }: ReportedChange) => kind === 'clear'
    await plain.until(() => plain.changesSeen.some(isEnd))
    await encoded.until(() => encoded.reported.some(isEnd))
    expect(encoded.decoded).to.deep.equal(plain.changesSeen)
    const kindsOf = (name: string) =>
      encoded.reported.flatMap(({ collection, kind }) => (collection === name ? [kind] : []))
    expect(kindsOf('users')).to.deep.equal(['encoded', 'encoded', 'encoded', 'encoded', 'encoded', 'clear'])
    expect(kindsOf('teams').includes('encoded' as never)).to.equal(false)
  })

  it('reads a key that an entry only names, and reads a collection again for a malformed entry', async () => {
    const adapter = freshAdapter(client, { prefix })
    adapter.collection('users')
    const encoded = new EncodedRecorder([])
    open.push(await adapter.open(encoded))
    await client.hSet(`${prefix}users:ada`, { name: 'Ada' })
    const append = (...fields: string[]) => client.sendCommand(['XADD', `${prefix}changes`, '*', ...fields])
    await append('key', `${prefix}users:ada`)
    await encoded.until(() => encoded.decoded.length + encoded.changesSeen.length > 0)
    await append('key', `${prefix}users:ada`, 'document', '{')
    await encoded.until(() => encoded.reported.length > 1)
    const kinds = encoded.decoded.map(({ kind }) => kind)
    expect(kinds).to.deep.equal(['replace', 'reload'])
  })
})
