import { check, checkEqual, type Tests } from '../case.ts'
import type { ServerScene } from './scene.ts'
import type { EventOf, ServerStream } from './stream.ts'

/** The most roots that a client of the fixture watches. */
const MAX_WATCHED = 5

/** Writes messages of a room: at the times 1, 2, 3 and so on. */
async function write(scene: ServerScene, name: string, count: number, from = 1): Promise<void> {
  const { room } = scene.room(name)
  for (let at = from; at < from + count; at++) {
    const insert = { _id: scene.id(`${name}${at}`), room, text: `${name}${at}`, at, secret: 'hidden' }
    await scene.write({ collection: 'messages', insert })
  }
}

/** A message as clients see it. */
function message(scene: ServerScene, name: string, at: number) {
  return { _id: scene.id(`${name}${at}`), room: scene.room(name).room, text: `${name}${at}`, at }
}

/** Waits for the refusal of a root. */
async function refusal(stream: ServerStream, root: string): Promise<EventOf<'error'>['data']> {
  const find = () => stream.of('error').find(({ data }) => data.root === root)
  await stream.until(() => find() !== undefined, `an error of ${root}`)
  const found = find()
  check(found, `an error of ${root} comes`)
  return found.data
}

/** Checks that a root is refused for its name or its parameters. */
async function checkInvalid(scene: ServerScene, root: string): Promise<void> {
  const stream = await scene.connect({ watch: [root] })
  checkEqual((await refusal(stream, root)).code, 'INVALID_PARAMS', `the code of the error of ${root}`)
}

/** Connects with a watched root, or skips the case where the server has none. */
async function connect(scene: ServerScene, name: string): Promise<ServerStream> {
  const { root } = scene.room(name)
  const stream = await scene.connect({ watch: [root] })
  const error = stream.of('error').find(({ data }) => data.root === root)
  check(!error, `the user may watch ${root}, and does not get ${error?.data.code}`)
  return stream
}

/** The cases about watched roots. */
export const WATCHED: Tests<ServerScene> = {
  async 'W1 a root with parameters comes to the client that watches it, in its window, and to no other'(
    scene,
  ) {
    await scene.needs('messages')
    await write(scene, 'a', 3)
    const { root } = scene.room('a')
    const stream = await connect(scene, 'a')
    stream.shows(root, [message(scene, 'a', 1), message(scene, 'a', 2)])
    const other = await scene.ready()
    check(!Object.hasOwn(other.manifest?.sources ?? {}, root), 'another stream lacks the root')
  },
  async 'W1 another spelling of the name is refused'(scene) {
    await scene.needs('messages')
    const { room } = scene.room('a')
    for (const root of [`messages?{ "room": "${room}" }`, 'messages?', 'nothing?{"a":1}']) {
      await checkInvalid(scene, root)
    }
  },
  async 'W2 a parameter of another type, or an operator, is refused'(scene) {
    await scene.needs('messages')
    const values = [
      '7',
      'true',
      'null',
      '{"$ne":""}',
      '["a"]',
      JSON.stringify(`${scene.user}/${'x'.repeat(300)}`),
    ]
    for (const value of values) {
      const root = `messages?{"room":${value}}`
      await checkInvalid(scene, root)
    }
  },
  async 'W3 roots are added to the open stream and removed from it, while the others go on'(scene) {
    await scene.needs('messages')
    await write(scene, 'a', 1)
    await write(scene, 'b', 1)
    const [a, b] = [scene.room('a').root, scene.room('b').root]
    const stream = await connect(scene, 'a')
    const added = await scene.post('watch', { add: [b] })
    checkEqual([added.body.live, added.body.watch], [true, [a, b]], 'live and watch of the answer')
    await stream.becomes(b, [message(scene, 'b', 1)])
    const [watching] = stream.of('watching')
    checkEqual(watching?.data.watch, [a, b], 'watch of the event watching')
    await scene.post('watch', { remove: [a] })
    await stream.until(() => stream.of('watching').length === 2, 'watching')
    checkEqual(stream.of('watching')[1]?.data.watch, [b], 'watch of the second event watching')
    checkEqual(stream.loaded.filter((each) => each === 'tasks').length, 1, 'the payloads of tasks')
  },
  async 'W3 live says whether there is a stream of the session'(scene) {
    await scene.needs('messages')
    await scene.login()
    const { body } = await scene.post('watch', { add: [scene.room('a').root] })
    checkEqual(body.live, false, 'live without a stream')
  },
  async 'W4 a root that the user may not watch is refused alone'(scene) {
    await scene.needs('messages')
    const theirs = scene.room('a', `${scene.user}x`).root
    const mine = scene.room('a').root
    const stream = await scene.connect({ watch: [theirs, mine] })
    checkEqual((await refusal(stream, theirs)).code, 'FORBIDDEN', 'the code of the error')
    const roots = Object.keys(stream.manifest?.sources ?? {})
    checkEqual([roots.includes(mine), roots.includes(theirs)], [true, false], 'whether the manifest has them')
    const { body } = await scene.post('watch', { add: [theirs] })
    const refused = Array.isArray(body.refused) ? body.refused : []
    checkEqual(refused.length, 1, 'the number of refused roots of the answer')
  },
  async 'W5 a root ends with the right to it, alone'(scene) {
    await scene.needs('messages')
    const other = `${scene.user}x`
    await scene.rights([scene.user, other])
    const [mine, theirs] = [scene.room('a').root, scene.room('a', other).root]
    const stream = await scene.connect({ watch: [mine, theirs] })
    await scene.rights([scene.user])
    checkEqual((await refusal(stream, theirs)).code, 'FORBIDDEN', 'the code of the error')
    await stream.next('watching')
    checkEqual(stream.of('watching').at(-1)?.data.watch, [mine], 'watch of the event watching')
  },
  async 'W6 a client watches no more roots than the limit'(scene) {
    await scene.needs('messages')
    const roots = Array.from({ length: MAX_WATCHED + 1 }, (_, index) => scene.room(`r${index}`).root)
    const stream = await scene.connect({ watch: roots })
    await stream.until(() => stream.of('error').length > 0, 'an error')
    const codes = stream.of('error').map(({ data }) => data.code)
    checkEqual(codes, ['LIMIT_EXCEEDED'], `the errors of ${roots.length} roots`)
  },
  async 'W7 for a longer window, only the difference is sent'(scene) {
    await scene.needs('messages')
    await write(scene, 'a', 6)
    const { root } = scene.room('a')
    const stream = await connect(scene, 'a')
    await scene.post('watch', { add: [{ root, limit: 4 }] })
    const all = [1, 2, 3, 4].map((at) => message(scene, 'a', at))
    await stream.becomes(root, all)
    const ids = stream.of('delta').flatMap(({ data }) => (data.root === root ? data.oplist : []))
    checkEqual(
      [...new Set(ids.map(({ id }) => id))].sort(),
      all.slice(2).map(({ _id }) => _id),
      'the documents of the difference',
    )
    checkEqual(stream.loaded.filter((each) => each === root).length, 1, 'the payloads of the root')
  },
  async 'W8 roots in both lists go on from the position, and new roots are loaded'(scene) {
    await scene.needs('messages')
    await write(scene, 'a', 1)
    await write(scene, 'b', 1)
    const [a, b] = [scene.room('a').root, scene.room('b').root]
    const before = await connect(scene, 'a')
    before.close()
    await write(scene, 'a', 1, 2)
    const { position, model } = before
    const stream = await scene.ready({ position, model, held: [a], watch: [a, b] })
    checkEqual(stream.manifest?.resumed, true, 'resumed')
    stream.shows(a, [message(scene, 'a', 1), message(scene, 'a', 2)])
    stream.shows(b, [message(scene, 'b', 1)])
    const loaded = stream.loaded
    checkEqual([...new Set(loaded)], [b], 'the roots with a payload')
  },
  async 'W8 a position does not resume a root that it was not given for'(scene) {
    await scene.needs('messages')
    await write(scene, 'a', 1)
    const { root } = scene.room('a')
    const before = await scene.connect()
    const { position, model } = before
    const stream = await scene.ready({ position, model, held: [root], watch: [root] })
    stream.shows(root, [message(scene, 'a', 1)])
  },
}
