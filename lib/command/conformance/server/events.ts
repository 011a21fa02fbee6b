import { PROTOCOL } from '../../../protocol/messages.ts'
import { check, checkEqual, Skip, type Tests } from '../case.ts'
import type { ServerScene } from './scene.ts'
import type { EventOf, ServerStream } from './stream.ts'

/** Changes both accounts of the user in one transaction. */
export async function transfer(scene: ServerScene, amount: number): Promise<string | undefined> {
  return await scene.write(
    { collection: 'accounts', id: scene.id('a'), set: { money: 100 - amount } },
    { collection: 'savings', id: scene.id('s'), set: { money: amount } },
  )
}

/** Makes the two accounts of the user, and connects. */
export async function connectBank(scene: ServerScene): Promise<ServerStream> {
  const { user } = scene
  await scene.write(
    { collection: 'accounts', insert: { _id: scene.id('a'), owner: user, money: 100 } },
    { collection: 'savings', insert: { _id: scene.id('s'), owner: user, money: 0 } },
  )
  return await scene.connect()
}

/** Makes scores of these points, with the points as names, and connects. */
export async function connectTop(scene: ServerScene, points: readonly number[]): Promise<ServerStream> {
  await scene.write(
    ...points.map((each) => {
      const insert = { _id: scene.id(each), owner: scene.user, points: each, name: `${each}` }
      return { collection: 'scores', insert }
    }),
  )
  return await scene.connect()
}

/** Lists the points of a sorted root, in its order. */
export function pointsOf(stream: ServerStream): unknown[] {
  return (stream.model.top ?? []).map(({ points }) => points)
}

/** Lists the deltas that change something of a root. */
export function deltasOf(stream: ServerStream, root: string): EventOf<'delta'>[] {
  return stream.of('delta').filter(({ data }) => data.root === root && data.oplist.length > 0)
}

/** Lists the deltas of the bank that change something, or end a moment. */
function bankDeltas(stream: ServerStream): EventOf<'delta'>[] {
  return stream.of('delta').filter(({ data }) => data.root === 'accounts' || data.root === 'savings')
}

/** The cases about events. */
export const EVENTS: Tests<ServerScene> = {
  async 'E1 an event is an optional line id:, a line event:, a line data: and an empty line, with LF alone'(
    scene,
  ) {
    const stream = await scene.connect()
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'one\ntwo\r\nthree' }) })
    // The stream reports any other form as a mistake.
    await stream.becomes('tasks', [{ _id: scene.id(1), title: 'one\ntwo\r\nthree' }])
    check(!stream.text.includes('\r'), 'lines end with LF alone')
  },
  async 'E3 a stream begins with manifest, then sends each root, then ready'(scene) {
    await scene.login()
    await scene.write({ collection: 'tasks', insert: scene.task(1) })
    const stream = await scene.ready()
    const [first] = stream.events
    check(first?.event === 'manifest', `the first event is manifest, and not ${first?.event}`)
    const { protocol, sources, resumed } = first.data
    checkEqual([protocol, resumed], [PROTOCOL, false], 'protocol and resumed of the manifest')
    const fields = { title: true, done: true, points: true, tags: true, place: { city: true } }
    checkEqual(sources.tasks, fields, 'the fields of tasks in the manifest')
    const ready = stream.events.findIndex(({ event }) => event === 'ready')
    const sent = stream.events
      .slice(0, ready)
      .flatMap((each) => (each.event === 'payload' && each.data.last ? [each.data.root] : []))
    checkEqual([...sent].sort(), Object.keys(sources).sort(), 'the roots that are complete before ready')
  },
  async 'E4 the parts of a payload are counted from 0, and only the last one has last'(scene) {
    const text = 'x'.repeat(1_000)
    const documents = Array.from({ length: 500 }, (_, index) => scene.task(index, { title: text }))
    await scene.write(...documents.map((insert) => ({ collection: 'tasks', insert })))
    const stream = await scene.connect()
    const parts = stream.of('payload').filter(({ data }) => data.root === 'tasks')
    checkEqual(
      parts.map(({ data }) => data.part),
      parts.map((_, index) => index),
      'the numbers of the parts',
    )
    checkEqual(
      parts.map(({ data }) => data.last),
      parts.map((_, index) => index === parts.length - 1),
      'last of the parts',
    )
    checkEqual(stream.documents('tasks')?.length, 500, 'the number of documents')
  },
  async 'E5 the changes of a transaction are one delta for each root'(scene) {
    const stream = await scene.connect()
    await scene.write(
      { collection: 'tasks', insert: scene.task(1, { title: 'a' }) },
      { collection: 'tasks', insert: scene.task(2, { title: 'b' }) },
    )
    await stream.becomes('tasks', [
      { _id: scene.id(1), title: 'a' },
      { _id: scene.id(2), title: 'b' },
    ])
    checkEqual(deltasOf(stream, 'tasks').length, 1, 'the number of deltas')
  },
  async 'E7 no event has a field outside of the manifest'(scene) {
    await scene.write({
      collection: 'tasks',
      insert: scene.task(1, { place: { city: 'Rome', code: 'hidden' } }),
    })
    const stream = await scene.connect()
    await scene.write({ collection: 'tasks', id: scene.id(1), set: { secret: 'secret again', title: 'b' } })
    await scene.write({ collection: 'tasks', insert: scene.task(2, { 'unknown field': 'hidden' }) })
    await stream.becomes('tasks', [
      { _id: scene.id(1), title: 'b', place: { city: 'Rome' } },
      { _id: scene.id(2) },
    ])
    for (const word of ['secret', 'hidden', 'unknown field', '"owner"', '"code"'])
      check(!stream.text.includes(word), `the stream never has ${word}`)
  },
  async 'E7 no event has the id of a document that the client never saw'(scene) {
    const other = { ...scene.task('other'), owner: `${scene.user}x` }
    const id = scene.id('other')
    await scene.write({ collection: 'tasks', insert: other })
    const stream = await scene.connect()
    await scene.write({ collection: 'tasks', id, set: { title: 'new' } })
    await scene.write({ collection: 'tasks', id, remove: true })
    await scene.write({ collection: 'tasks', insert: scene.task(1) })
    await stream.becomes('tasks', [{ _id: scene.id(1) }])
    check(!stream.text.includes(id), 'the stream never names a document of another user')
  },
  async 'E9 a ping comes every heartbeat'(scene) {
    const { heartbeat } = await scene.login()
    const stream = await scene.ready()
    const patience = Number(heartbeat) * 2.5
    if (patience > scene.target.timeout) throw new Skip(`the heartbeat is ${heartbeat} ms long`)
    for (const count of [1, 2])
      await stream.until(() => stream.of('ping').length >= count, `a ping in ${patience} ms`, patience)
  },
  async 'E10 the token of an open stream is renewed before it ends'(scene) {
    const { expiresAt } = await scene.login()
    const stream = await scene.ready()
    const left = Date.parse(String(expiresAt)) - Date.now()
    if (left > scene.target.timeout) throw new Skip(`a token is valid until ${expiresAt}, which is too long`)
    await stream.until(
      () => stream.of('session').length + stream.of('renew').length > 0,
      'session or renew before the token ends',
      left,
    )
    const session = stream.of('session')[0]?.data
    if (session) scene.renew(session.token, session.expiresAt)
    else await scene.login({ previous: scene.token })
    const { position } = stream
    const next = await scene.ready({ position })
    checkEqual(next.manifest?.resumed, true, 'resumed, with the new token')
    check(!stream.isEnded, 'the stream goes on')
  },
  async 'E11 the documents of a sorted root come in its order, and no more than its limit'(scene) {
    await scene.needs('top')
    const stream = await connectTop(scene, [10, 40, 20, 30])
    checkEqual(pointsOf(stream), [40, 30, 20], 'the points of top')
  },
  async 'E11 a document that enters comes with its place, and pushes out the last one in the same event'(
    scene,
  ) {
    await scene.needs('top')
    const stream = await connectTop(scene, [40, 30, 20])
    await scene.write({
      collection: 'scores',
      insert: { _id: scene.id(35), owner: scene.user, points: 35 },
    })
    await stream.until(() => deltasOf(stream, 'top').length > 0, 'a delta of top')
    checkEqual(pointsOf(stream), [40, 35, 30], 'the points of top after one delta')
  },
  async 'E11 a document whose order changes moves, and one that leaves is replaced'(scene) {
    await scene.needs('top')
    const stream = await connectTop(scene, [40, 30, 20, 10])
    await scene.write({ collection: 'scores', id: scene.id(20), set: { points: 50 } })
    await stream.until(() => pointsOf(stream).join() === '50,40,30', 'the points 50, 40, 30')
    await scene.write({ collection: 'scores', id: scene.id(40), remove: true })
    await stream.until(() => pointsOf(stream).join() === '50,30,10', 'the points 50, 30, 10')
  },
  async 'E12 roots of one adapter are a group, and all deltas of a moment but the last have more'(scene) {
    await scene.needs('accounts', 'savings')
    const stream = await connectBank(scene)
    const together = stream.manifest?.together ?? []
    const isGroup = together.some((group) => group.includes('accounts') && group.includes('savings'))
    check(isGroup, 'the manifest has accounts and savings together')
    await transfer(scene, 40)
    await stream.becomes('accounts', [{ _id: scene.id('a'), money: 60 }])
    await stream.becomes('savings', [{ _id: scene.id('s'), money: 40 }])
    const changes = bankDeltas(stream).filter(({ data }) => data.oplist.length > 0)
    checkEqual(
      changes.map(({ data }) => data.more ?? false),
      [true, false],
      'more of the two deltas',
    )
  },
  async 'E14 a replay has a moment for each change'(scene) {
    await scene.needs('accounts', 'savings')
    const before = await connectBank(scene)
    before.close()
    for (const amount of [10, 20, 30]) await transfer(scene, amount)
    const next = await scene.ready({ position: before.position, model: before.model })
    next.shows('accounts', [{ _id: scene.id('a'), money: 70 }])
    next.shows('savings', [{ _id: scene.id('s'), money: 30 }])
    checkEqual(next.of('payload').length, 0, 'the number of payloads')
    const ends = bankDeltas(next).filter(({ data }) => !data.more).length
    checkEqual(ends, 3, 'the number of moments of the replay')
  },
  async 'E15 reached comes after the change, and also for a change that the client may not see'(scene) {
    const stream = await scene.connect()
    const seen = await scene.position({ collection: 'tasks', insert: scene.task(1, { title: 'a' }) })
    await scene.post('reached', { position: seen })
    await stream.until(() => stream.of('reached').length > 0, 'reached')
    stream.shows('tasks', [{ _id: scene.id(1), title: 'a' }])
    const hidden = await scene.position({
      collection: 'tasks',
      insert: { ...scene.task(2), owner: `${scene.user}x` },
    })
    await scene.post('reached', { position: hidden })
    checkEqual((await stream.next('reached', 1)).data.position, hidden, 'the position')
  },
}
