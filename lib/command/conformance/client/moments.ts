import type { WireOperation } from '../../../protocol/messages.ts'
import { checkEqual, type Tests } from '../case.ts'
import type { ClientScene, Roots } from './scene.ts'

const TOGETHER = { together: [['from', 'to']] }
const BEFORE: Roots = { from: [{ _id: 1, n: 10 }], to: [{ _id: 1, n: 0 }] }

const inc = (data: number): WireOperation[] => [{ operation: 'inc', id: 1, path: 'n', data }]

/** The cases about roots that share an adapter, which a client shows as of one moment. */
export const MOMENTS: Tests<ClientScene> = {
  async 'E12 a delta with more is shown with the next delta of the group without more'(scene) {
    const stream = await scene.start(BEFORE, TOGETHER)
    scene.delta(stream, 'from', inc(-4), undefined, true)
    await scene.shows(stream, BEFORE)
    scene.delta(stream, 'to', inc(4), 'p2')
    await scene.shows(stream, { from: [{ _id: 1, n: 6 }], to: [{ _id: 1, n: 4 }] })
  },
  async 'E12 a payload of a group is shown with the end of the moment'(scene) {
    const stream = await scene.start(BEFORE, TOGETHER)
    stream.send('reset', { root: 'to', reason: 'source-changed' }, '')
    scene.delta(stream, 'from', inc(-4), undefined, true)
    stream.send('payload', { root: 'to', data: [{ _id: 1, n: 4 }], part: 0, last: true })
    await scene.shows(stream, BEFORE)
    stream.send('ready', {}, 'p2')
    await scene.shows(stream, { from: [{ _id: 1, n: 6 }], to: [{ _id: 1, n: 4 }] })
  },
  async 'E12 a new client shows each root of a group as soon as its documents have arrived'(scene) {
    await scene.connect()
    const stream = await scene.stream()
    scene.manifest(stream, BEFORE, TOGETHER)
    stream.send('payload', { root: 'from', data: [{ _id: 1 }], part: 0, last: true })
    await scene.shows(stream, { from: [{ _id: 1 }], to: undefined })
  },
  async 'E12 roots that share no adapter do not wait for each other'(scene) {
    const stream = await scene.start({ ...BEFORE, alone: [{ _id: 1, n: 0 }] }, TOGETHER)
    scene.delta(stream, 'from', inc(-4), undefined, true)
    scene.delta(stream, 'alone', inc(1))
    await scene.shows(stream, { ...BEFORE, alone: [{ _id: 1, n: 1 }] })
  },
  async 'E13 a delta without operations ends a moment'(scene) {
    const stream = await scene.start(BEFORE, TOGETHER)
    scene.delta(stream, 'from', inc(-4), undefined, true)
    scene.delta(stream, 'to', [], 'p2')
    await scene.shows(stream, { from: [{ _id: 1, n: 6 }], to: [{ _id: 1, n: 0 }] })
  },
  async 'E13 ready ends a moment'(scene) {
    const stream = await scene.start(BEFORE, TOGETHER)
    scene.delta(stream, 'from', inc(-4), undefined, true)
    stream.send('ready', {}, 'p2')
    await scene.shows(stream, { from: [{ _id: 1, n: 6 }], to: [{ _id: 1, n: 0 }] })
  },
  async 'E13 a reset drops what was kept of its root, and nothing of the others'(scene) {
    const stream = await scene.start(BEFORE, TOGETHER)
    scene.delta(stream, 'from', inc(-4), undefined, true)
    scene.delta(stream, 'to', inc(4), undefined, true)
    stream.send('reset', { root: 'to', reason: 'source-changed' }, '')
    stream.send('payload', { root: 'to', data: [{ _id: 1, n: 8 }], part: 0, last: true })
    stream.send('ready', {}, 'p2')
    await scene.shows(stream, { from: [{ _id: 1, n: 6 }], to: [{ _id: 1, n: 8 }] })
  },
  async 'P2 a client that is cut off within a moment comes back from before it, and applies it once'(scene) {
    const stream = await scene.start(BEFORE, TOGETHER)
    scene.delta(stream, 'from', inc(-4), undefined, true)
    await scene.settled(stream)
    const next = await scene.broken(stream)
    checkEqual(next.position, 'p1', 'the position of the next stream')
    const roots = { from: undefined, to: undefined }
    scene.manifest(next, roots, { ...TOGETHER, resumed: true })
    scene.delta(next, 'from', inc(-4), undefined, true)
    scene.delta(next, 'to', inc(4), 'p2')
    next.send('ready', {}, 'p2')
    await scene.shows(next, { from: [{ _id: 1, n: 6 }], to: [{ _id: 1, n: 4 }] })
  },
}
