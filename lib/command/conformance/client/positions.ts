import { check, checkEqual, type Tests } from '../case.ts'
import type { Exchange } from './exchange.ts'
import type { ClientScene } from './scene.ts'

const notesOf = (n: number) => [{ _id: 1, n }]

/** Adds 1 to the number of the one document. */
function count(scene: ClientScene, stream: Exchange, id?: string): void {
  scene.delta(stream, 'notes', [{ operation: 'inc', id: 1, path: 'n' }], id)
}

/** Goes on with a stream from the position that the client has presented. */
function resume(scene: ClientScene, stream: Exchange): void {
  scene.manifest(stream, { notes: true }, { resumed: true })
}

/** The cases about positions. */
export const POSITIONS: Tests<ClientScene> = {
  async 'P1 a client comes back with the position of the last event that had one'(scene) {
    const stream = await scene.start({ notes: notesOf(0) })
    count(scene, stream, 'p2')
    count(scene, stream, 'P/3+=')
    count(scene, stream)
    await scene.shows(stream, { notes: notesOf(3) })
    checkEqual((await scene.broken(stream)).position, 'P/3+=', 'the position of the next stream')
  },
  async 'P3 a reset withdraws the position until the next one'(scene) {
    const stream = await scene.start({ notes: notesOf(0) })
    stream.send('reset', { root: 'notes', reason: 'source-changed' }, '')
    await scene.settled(stream)
    checkEqual((await scene.broken(stream)).position, '', 'the position of the next stream')
  },
  async 'P3 a position that comes after a reset counts'(scene) {
    const stream = await scene.start({ notes: notesOf(0) })
    stream.send('reset', { root: 'notes', reason: 'source-changed' }, '')
    stream.send('payload', { root: 'notes', data: notesOf(5), part: 0, last: true })
    stream.send('ready', {}, 'p2')
    await scene.shows(stream, { notes: notesOf(5) })
    checkEqual((await scene.broken(stream)).position, 'p2', 'the position of the next stream')
  },
  async 'P4 id: none withdraws the position'(scene) {
    const stream = await scene.start({ notes: notesOf(0) })
    count(scene, stream, 'none')
    await scene.shows(stream, { notes: notesOf(1) })
    const { position } = await scene.broken(stream)
    check(['', 'none'].includes(position), `the position is "none" or none at all, and not "${position}"`)
  },
  async 'P8 a stream that does not resume replaces the documents, and the old ones stay until then'(scene) {
    const next = await scene.broken(await scene.start({ notes: notesOf(1), others: [{ _id: 7 }] }))
    scene.manifest(next, { notes: true, others: true }, { reason: 'history-lost' })
    await scene.shows(next, { notes: notesOf(1), others: [{ _id: 7 }] })
    next.send('payload', { root: 'notes', data: notesOf(2), part: 0, last: true })
    await scene.shows(next, { notes: notesOf(2), others: [{ _id: 7 }] })
    next.send('payload', { root: 'others', data: [], part: 0, last: true })
    next.send('ready', {}, 'p2')
    await scene.shows(next, { notes: notesOf(2), others: [] })
  },
  async 'P8 a stream that does not resume withdraws the position'(scene) {
    const next = await scene.broken(await scene.start({ notes: notesOf(1) }))
    scene.manifest(next, { notes: true }, { reason: 'history-lost' })
    await scene.settled(next)
    checkEqual((await scene.broken(next)).position, '', 'the position of the third stream')
  },
  async 'P8 a root that the next manifest does not name is gone'(scene) {
    const next = await scene.broken(await scene.start({ notes: notesOf(1), others: [{ _id: 7 }] }))
    await scene.begin(next, { notes: notesOf(2) })
    await scene.shows(next, { notes: notesOf(2), others: undefined })
  },
  async 'P9 a replay goes on from the documents that the client has'(scene) {
    const next = await scene.broken(await scene.start({ notes: notesOf(5) }))
    resume(scene, next)
    count(scene, next, 'p2')
    next.send('ready', {}, 'p2')
    await scene.until(({ status }) => status === 'ready', 'the client is ready')
    await scene.shows(next, { notes: notesOf(6) })
    checkEqual((await scene.broken(next)).position, 'p2', 'the position of the third stream')
  },
  async 'P13 a client that is cut off again and again applies each change once'(scene) {
    let stream = await scene.start({ notes: notesOf(0) })
    for (let n = 1; n <= 3; n++) {
      count(scene, stream, `p${n + 1}`)
      await scene.shows(stream, { notes: notesOf(n) })
      stream = await scene.broken(stream)
      checkEqual(stream.position, `p${n + 1}`, 'the position of the next stream')
      resume(scene, stream)
      stream.send('ready', {}, `p${n + 1}`)
    }
    await scene.shows(stream, { notes: notesOf(3) })
  },
}
