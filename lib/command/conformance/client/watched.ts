import type { Document } from '../../../model/document.ts'
import { check, checkEqual, type Tests } from '../case.ts'
import type { Exchange } from './exchange.ts'
import type { ClientScene } from './scene.ts'

const NOTES = { notes: [{ _id: 1 }] }
const A = { room: 'a' }
const B = { room: 'b' }
const ROOM_A = 'messages?{"room":"a"}'
const ROOM_B = 'messages?{"room":"b"}'

/** The names of the roots in a list of watched roots. */
function namesOf(list: unknown): string[] {
  const entries = Array.isArray(list) ? list : []
  return entries.map((each) => (typeof each === 'string' ? each : String(each?.root))).sort()
}

/** Answers the client's request to watch a root, and sends the root's documents. */
async function grant(scene: ClientScene, stream: Exchange, root: string, data: Document[]): Promise<void> {
  const asked = await scene.server.next('watch', `a request for ${root} on the open stream`)
  checkEqual(namesOf(asked.body.add), [root], 'the roots to add')
  asked.answer(200, { live: true, refused: [], watch: [root] })
  watching(stream, [root])
  stream.send('payload', { root, data, part: 0, last: true })
  stream.send('ready', {}, `p-${root}`)
  await scene.becomes({ [root]: data })
}

/** Starts a client that watches room a, with one message. Returns the stream. */
async function startInRoom(scene: ClientScene): Promise<Exchange> {
  const stream = await scene.start(NOTES)
  await scene.watch('messages', A)
  await grant(scene, stream, ROOM_A, [{ _id: 5 }])
  return stream
}

function watching(stream: Exchange, watch: string[]): void {
  const sources = Object.fromEntries(['notes', 'marker', ...watch].map((root) => [root, true as const]))
  stream.send('watching', { watch, sources })
}

/** Ends the client's right to its only watched root. */
function end(stream: Exchange): void {
  watching(stream, [])
  stream.send('error', { root: ROOM_A, code: 'FORBIDDEN', message: 'This root is not yours any more' })
}

/** The cases about watched roots. */
export const WATCHED: Tests<ClientScene> = {
  async 'W1 the name of a watched root has its parameters with sorted keys and no spaces'(scene) {
    await scene.start(NOTES)
    await scene.watch('messages', { room: 'a b', at: 7, all: true })
    const asked = await scene.server.next('watch', 'a request for the watched root')
    checkEqual(asked.body.add, ['messages?{"all":true,"at":7,"room":"a b"}'], 'the roots to add')
  },
  async 'W1 a root that is watched before the stream opens is asked for with the stream, or right after it'(
    scene,
  ) {
    scene.server.on.handshake = () => {}
    await scene.connect()
    const shake = await scene.server.next('handshake', 'the handshake')
    await scene.watch('messages', A)
    scene.server.grant(shake)
    const stream = await scene.stream()
    if (stream.watch.length === 0) {
      scene.manifest(stream, NOTES)
      const asked = await scene.server.next('watch', 'a request for the watched root')
      checkEqual(namesOf(asked.body.add), [ROOM_A], 'the roots to add')
    } else checkEqual(namesOf(stream.watch), [ROOM_A], 'the roots to watch')
  },
  async 'W3 a root is added on the open stream, and shown with its documents'(scene) {
    const stream = await startInRoom(scene)
    await scene.shows(stream, { ...NOTES, [ROOM_A]: [{ _id: 5 }] })
    checkEqual(scene.server.of('stream').length, 1, 'the number of streams')
  },
  async 'W3 a root that is watched no more is removed on the open stream'(scene) {
    const stream = await scene.start(NOTES)
    await scene.watch('messages', A)
    await grant(scene, stream, ROOM_A, [])
    await scene.unwatch('messages', A)
    const asked = await scene.server.next('watch', 'a request that removes the root')
    checkEqual(namesOf(asked.body.remove), [ROOM_A], 'the roots to remove')
    asked.answer(200, { live: true, refused: [], watch: [] })
    watching(stream, [])
    await scene.shows(stream, { ...NOTES, [ROOM_A]: undefined })
  },
  async 'W3 a client whose stream is on another node tries again, or opens a stream with the new list'(
    scene,
  ) {
    const stream = await scene.start(NOTES)
    scene.server.on.watch = (asked) => asked.answer(200, { live: false, refused: [], watch: [] })
    await scene.watch('messages', A)
    const next = await scene.stream('a stream with the new list')
    checkEqual(namesOf(next.watch), [ROOM_A], 'the roots to watch')
    await scene.closes(stream)
  },
  async 'W4 a root that is refused leaves the stream and the other roots as they are'(scene) {
    const stream = await scene.start(NOTES)
    await scene.watch('messages', A)
    const asked = await scene.server.next('watch', 'a request for the watched root')
    const refusal = { root: ROOM_A, code: 'FORBIDDEN', message: 'This root is not yours' }
    asked.answer(200, { live: true, refused: [refusal], watch: [] })
    watching(stream, [])
    stream.send('error', refusal)
    stream.send('ready', {}, 'p2')
    await scene.until(({ errors }) => errors.includes('FORBIDDEN'), 'the client reports FORBIDDEN')
    await scene.shows(stream, { ...NOTES, [ROOM_A]: undefined })
    checkEqual([(await scene.state()).status, scene.server.of('stream').length], ['ready', 1], 'the stream')
  },
  async 'W5 a root that the event watching lacks is gone'(scene) {
    const stream = await startInRoom(scene)
    end(stream)
    stream.send('ready', {}, 'p3')
    await scene.shows(stream, { ...NOTES, [ROOM_A]: undefined })
  },
  async 'W8 a client that comes back asks for the roots that it watches, by its position'(scene) {
    const stream = await startInRoom(scene)
    const next = await scene.broken(stream)
    checkEqual(namesOf(next.watch), [ROOM_A], 'the roots to watch')
    checkEqual(next.position, `p-${ROOM_A}`, 'the position')
    scene.manifest(next, { notes: true, [ROOM_A]: true }, { resumed: true })
    scene.delta(next, ROOM_A, [{ operation: 'inc', id: 5, path: 'n' }], 'p3')
    next.send('ready', {}, 'p3')
    await scene.shows(next, { ...NOTES, [ROOM_A]: [{ _id: 5, n: 1 }] })
  },
  async 'W8 a client that comes back with another list names the roots of its position in held'(scene) {
    const stream = await startInRoom(scene)
    stream.break()
    await scene.until(({ status }) => status !== 'ready', 'the client has lost its stream')
    await scene.watch('messages', B)
    const next = await scene.stream('the stream after one that was broken')
    checkEqual(next.position, `p-${ROOM_A}`, 'the position')
    if (namesOf(next.watch).join() === ROOM_A) return
    checkEqual([namesOf(next.watch), namesOf(next.held)], [[ROOM_A, ROOM_B], [ROOM_A]], 'watch and held')
  },
  async 'W9 a root whose documents were dropped is not resumed by a position from before'(scene) {
    const stream = await startInRoom(scene)
    end(stream)
    await scene.until(({ data }) => data[ROOM_A] === undefined, 'the documents of the root are dropped')
    await scene.unwatch('messages', A)
    await scene.watch('messages', A)
    const next = await scene.broken(stream)
    const isResumed = next.position !== '' && namesOf(next.watch).includes(ROOM_A)
    const isHeld = next.held === undefined || namesOf(next.held).includes(ROOM_A)
    check(
      !(isResumed && isHeld),
      'the client does not ask to resume the root from a position with its documents',
    )
  },
}
