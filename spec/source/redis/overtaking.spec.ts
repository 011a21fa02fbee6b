import { expect } from 'chai'
import type { Change } from '../../../lib/source/source.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { closeAll, Recorder } from '../mongo/fold.ts'
import { type Client, connect, freshAdapter, freshPrefix, removeAll } from './harness.ts'

describe('source/redis where a document changes again before it is read', () => {
  let client: Client
  let prefix: string
  const open: { close(): Promise<void> }[] = []

  before(async function () {
    client = await connect((await redisOrSkip(this)).url)
  })

  beforeEach(() => {
    prefix = freshPrefix()
  })

  afterEach(async () => {
    await closeAll(open as never)
    await removeAll(client, prefix)
  })

  after(() => client?.destroy())

  /** A client whose connections do something else before they read a key for the first time. */
  function hurried(key: string, meanwhile: () => Promise<unknown>): Client {
    let done = false
    const duplicate = (overrides: object) => {
      const made = client.duplicate(overrides)
      const send = made.sendCommand.bind(made)
      const sendCommand = async (...given: Parameters<typeof send>) => {
        const [[name], command] = [given[0] as string[], given[0] as string[]]
        if (!done && name?.startsWith('EVAL') && command.includes(key)) {
          done = true
          await meanwhile()
        }
        return await send(...given)
      }
      return Object.assign(made, { sendCommand })
    }
    return Object.assign(Object.create(client) as Client, { duplicate })
  }

  /** The states that are shown, one after the other. */
  function statesOf(changes: readonly Change[]): string[] {
    const now = new Map<unknown, unknown>()
    return changes.flatMap((change, index) => {
      if ('id' in change) now.set(change.id, change.document?.n)
      const next = changes[index + 1]
      if (next?.transaction !== undefined && next.transaction === change.transaction) return []
      return [['a', 'b', 'c'].map((id) => now.get(id) ?? '-').join('')]
    })
  }

  for (const stream of [true, false]) {
    it(`shows no state that never was (${stream ? 'stream' : 'notifications'})`, async () => {
      const name = (id: string) => `${prefix}users:${id}`
      const own = freshAdapter(client, { prefix }, stream)
      const users = own.collection('users', { fields: 'number' })
      const touched = (id: string, n: number) =>
        users.touch(client.multi().hSet(name(id), { n: `${n}` }), id).exec()
      const far = hurried(name('a'), async () => {
        await users.set('b', { n: 1 })
        await touched('a', 2)
        await touched('c', 1)
        await users.set('b', { n: 2 })
      })
      const adapter = freshAdapter(far, { prefix }, stream)
      adapter.collection('users', { fields: 'number' })
      const recorder = new Recorder()
      open.push(await adapter.open(recorder))
      await touched('a', 1)
      await recorder.until(() => statesOf(recorder.changesSeen).at(-1) === '221')
      const states = ['1--', '11-', '21-', '211', '221']
      const shown = statesOf(recorder.changesSeen)
      expect(states).to.include.members(shown)
      expect(shown).to.deep.equal(shown.toSorted((a, b) => states.indexOf(a) - states.indexOf(b)))
    })
  }

  it('tells what was touched alone where nothing overtook it', async () => {
    const adapter = freshAdapter(client, { prefix })
    const users = adapter.collection('users', { fields: 'number' })
    const recorder = new Recorder()
    open.push(await adapter.open(recorder))
    await users.touch(client.multi().hSet(`${prefix}users:a`, { n: '1' }), 'a').exec()
    await users.set('b', { n: 1 })
    await recorder.until(() => recorder.changesSeen.length === 2)
    expect(statesOf(recorder.changesSeen)).to.deep.equal(['1--', '11-'])
  })
})
