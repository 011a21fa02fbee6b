import { check, checkEqual, type Tests } from '../case.ts'
import { connectBank, connectTop, deltasOf, pointsOf, transfer } from './events.ts'
import { forged } from './requests.ts'
import type { ServerScene } from './scene.ts'
import type { ServerStream } from './stream.ts'

const set = (scene: ServerScene, title: string) => ({
  collection: 'tasks',
  id: scene.id(1),
  set: { title },
})

/** Checks that a stream did not resume, for this reason, and has all of its roots. */
function checkReset(stream: ServerStream, reason: string): void {
  const manifest = stream.manifest
  checkEqual([manifest?.resumed, manifest?.reason], [false, reason], 'resumed and reason of the manifest')
  const roots = new Set(stream.loaded)
  checkEqual([...roots].sort(), Object.keys(manifest?.sources ?? {}).sort(), 'the roots with a payload')
}

/** The cases about positions. */
export const POSITIONS: Tests<ServerScene> = {
  async 'P1 each delta of a ready client has an id, and no event before ready has one'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1) })
    const stream = await scene.connect()
    const before = stream.events.slice(
      0,
      stream.events.findIndex(({ event }) => event === 'ready'),
    )
    checkEqual(
      before.filter(({ id }) => id !== undefined).map(({ event }) => event),
      [],
      'the events with an id before ready',
    )
    check(stream.of('ready')[0]?.id, 'ready has an id')
    await scene.write(set(scene, 'a'))
    await stream.becomes('tasks', [{ _id: scene.id(1), title: 'a' }])
    const [delta] = deltasOf(stream, 'tasks')
    check(delta?.id && delta.id !== 'none', 'the delta has an id')
  },
  async 'P2 the id of a change of several roots comes with the last of them'(scene) {
    await scene.needs('accounts', 'savings')
    const stream = await connectBank(scene)
    await transfer(scene, 40)
    await stream.becomes('accounts', [{ _id: scene.id('a'), money: 60 }])
    await stream.becomes('savings', [{ _id: scene.id('s'), money: 40 }])
    const changes = stream.of('delta').filter(({ data }) => data.oplist.length > 0)
    const ids = changes.map(({ id }) => id !== undefined && id !== 'none')
    checkEqual(ids, [false, true], 'whether the deltas have an id')
  },
  async 'P4 a client that comes back with none is reset'(scene) {
    await scene.login()
    checkReset(await scene.ready({ position: 'none' }), 'position-unknown')
  },
  async 'P5 a position that was changed does not hold'(scene) {
    const { position } = await scene.connect()
    checkReset(await scene.ready({ position: forged(position) }), 'position-unknown')
  },
  async 'P5 a position tells nothing of the documents to who decodes it'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1) })
    const { position } = await scene.connect()
    for (const text of [position, Buffer.from(position, 'base64url').toString('latin1')])
      check(!/tasks|accounts/.test(text) && !text.includes(scene.user), 'the position names roots or users')
  },
  async 'P6 a token and a position hold on another node of the server'(scene) {
    const at = await scene.other('second')
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'a' }) })
    const { position, model } = await scene.connect()
    await scene.write(set(scene, 'b'))
    const stream = await scene.ready({ at, position, model })
    checkEqual(stream.manifest?.resumed, true, 'resumed')
    stream.shows('tasks', [{ _id: scene.id(1), title: 'b' }])
  },
  async 'P10 a node that did not know the view sends the difference'(scene) {
    const at = await scene.other('second')
    const tasks = ['a', 'b', 'c'].map((title) => scene.task(title, { title }))
    await scene.write(...tasks.map((insert) => ({ collection: 'tasks', insert })))
    const { position, model } = await scene.connect()
    await scene.write({ collection: 'tasks', id: scene.id('a'), set: { title: 'changed' } })
    await scene.write({ collection: 'tasks', id: scene.id('b'), remove: true })
    const stream = await scene.ready({ at, position, model })
    stream.shows('tasks', [
      { _id: scene.id('a'), title: 'changed' },
      { _id: scene.id('c'), title: 'c' },
    ])
    const roots = stream.loaded
    check(!roots.includes('tasks'), 'the difference is no payload')
    check(!stream.text.includes(scene.id('c')), 'a document that did not change is not sent again')
  },
  async 'P7 a position of another user does not resume what that user saw'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'mine' }) })
    const { position } = await scene.connect()
    await scene.write(set(scene, 'mine again'))
    const identity = { user: `${scene.user}x` }
    const { body } = await scene.shake({ identity, carrier: 'header' })
    const stream = await scene.ready({ token: String(body.token), position })
    stream.shows('tasks', [])
    check(!stream.text.includes('mine'), 'the stream has nothing of the other user')
  },
  async 'P7 a root whose view is another one since the position is brought to the new view'(scene) {
    const other = `${scene.user}x`
    await scene.writeTwo(other)
    const before = await scene.connect()
    before.close()
    await scene.rights([other])
    await scene.login({ previous: scene.token })
    const stream = await scene.ready({ position: before.position, model: before.model })
    stream.shows('tasks', [{ _id: scene.id(2), title: 'theirs' }])
  },
  async 'P8 a position that is none leads to a clean reset'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1) })
    await scene.login()
    const stream = await scene.ready({ position: 'nothing' })
    checkReset(stream, 'position-unknown')
    stream.shows('tasks', [{ _id: scene.id(1) }])
  },
  async 'P9 what a client has missed is replayed change by change, without a payload'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1) })
    const before = await scene.connect()
    before.close()
    for (const title of ['a', 'b', 'c']) await scene.write(set(scene, title))
    const stream = await scene.ready({ position: before.position, model: before.model })
    checkEqual(stream.manifest?.resumed, true, 'resumed')
    checkEqual(stream.of('payload').length, 0, 'the number of payloads')
    const changes = deltasOf(stream, 'tasks')
    checkEqual(
      changes.map(({ id }) => Boolean(id)),
      [true, true, true],
      'whether each missed change has an id',
    )
    stream.shows('tasks', [{ _id: scene.id(1), title: 'c' }])
  },
  async 'P9 a replay is filtered by the present rights'(scene) {
    const before = await scene.connect()
    before.close()
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'hidden' }) })
    await scene.rights([`${scene.user}x`])
    await scene.login({ previous: scene.token })
    const stream = await scene.ready({ position: before.position, model: before.model })
    stream.shows('tasks', [])
    check(!stream.text.includes('hidden'), 'the replay has no document that the user may not see now')
  },
  async 'P13 a client that is cut off after any event comes back to the exact state'(scene) {
    const tasks = (title: string, more: object = {}) => [{ _id: scene.id(1), title, ...more }]
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: '0' }) })
    const stream = await scene.connect()
    const states = [{ position: stream.position, model: structuredClone(stream.model) }]
    for (const title of ['1', '2', '3']) {
      await scene.write(set(scene, title))
      await stream.becomes('tasks', tasks(title))
      states.push({ position: stream.position, model: structuredClone(stream.model) })
    }
    await scene.write({ collection: 'tasks', insert: scene.task(2) })
    await scene.write({ collection: 'tasks', id: scene.id(1), set: { points: 7 } })
    for (const state of states) {
      const next = await scene.ready(state)
      checkEqual(next.manifest?.resumed, true, 'resumed')
      next.shows('tasks', [...tasks('3', { points: 7 }), { _id: scene.id(2) }])
      next.close()
    }
  },
  async 'P14 a limited root is filled again when many documents leave it, with no other documents shown'(
    scene,
  ) {
    await scene.needs('top')
    const stream = await connectTop(scene, [60, 50, 40, 30, 20, 10])
    await scene.write(
      ...[60, 50, 40].map((each) => ({ collection: 'scores', id: scene.id(each), remove: true as const })),
    )
    await stream.until(() => pointsOf(stream).join() === '30,20,10', 'the points 30, 20, 10')
    checkEqual(stream.of('reset').length, 0, 'the number of resets')
  },
  async 'P15 a client that connects gets no value that was overwritten before'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'overwritten' }) })
    const first = await scene.connect()
    await scene.write(set(scene, 'present'))
    await scene.write({ collection: 'tasks', insert: scene.task(2, { title: 'removed' }) })
    await scene.write({ collection: 'tasks', id: scene.id(2), remove: true })
    await first.becomes('tasks', [{ _id: scene.id(1), title: 'present' }])
    const second = await scene.ready()
    second.shows('tasks', [{ _id: scene.id(1), title: 'present' }])
    check(!/overwritten|removed/.test(second.text), 'the stream has no value from before')
  },
}
