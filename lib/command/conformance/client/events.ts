import { setTimeout as delay } from 'node:timers/promises'
import type { Document, Json } from '../../../model/document.ts'
import { encode } from '../../../protocol/encode.ts'
import type { WireOperation } from '../../../protocol/messages.ts'
import { check, checkEqual, type Tests } from '../case.ts'
import { TIMESTAMP } from './exchange.ts'
import type { ClientScene } from './scene.ts'

const set = (id: number, path: string, data: Json): WireOperation => ({
  operation: 'set',
  id,
  path,
  data,
})

/** The time between two pieces of an event, in milliseconds: the network must not put them together. */
const PIECE_MS = 40

/** Parts of a stream that a client must pass over, each as it is on the wire. */
const IGNORED: readonly [title: string, text: string][] = [
  ['an event that it does not know', 'event: novelty\ndata: {"root":"notes"}\n\n'],
  ['an event that it does not know, whose data is not JSON', 'event: novelty\ndata: plain text\n\n'],
  ['a comment', ': still here\n\n'],
  ['a field that it does not know', 'priority: high\n\n'],
  ['the field retry', 'retry: 1000\n\n'],
  ['fields of the data that it does not know', 'event: delta\ndata: ["notes",{"novelty":{"a":1}}]\n\n'],
]

/** Events that a client can't apply, each as it is on the wire. */
const BROKEN: readonly [title: string, text: string][] = [
  ['data that is not JSON', 'event: delta\ndata: ["notes",\n\n'],
  ['data that lacks a field', 'event: delta\ndata: ["notes",["unset",1]]\n\n'],
  [
    'a part of a payload that came out of turn',
    `event: payload\ndata: {"root":"notes","timestamp":"${TIMESTAMP}","data":[],"part":3,"last":true}\n\n`,
  ],
]

/** The lists that operations with `at` lead to, from the documents 1, 2, 3. */
const PLACES: readonly [title: string, oplist: WireOperation[], ids: number[]][] = [
  ['a new document is inserted there', [{ ...set(4, '.', { _id: 4 }), at: 1 }], [1, 4, 2, 3]],
  ['a document is replaced, and moved there', [{ ...set(1, '.', { _id: 1 }), at: 2 }], [2, 3, 1]],
  ['noop moves a document there', [{ operation: 'noop', id: 3, path: '.', at: 0 }], [3, 1, 2]],
  ['a new document without a place goes to the end', [set(4, '.', { _id: 4 })], [1, 2, 3, 4]],
  ['a document without a place stays where it is', [set(2, '.', { _id: 2 })], [1, 2, 3]],
  [
    'each place is that after the operations before',
    [
      { operation: 'unset', id: 1, path: '.' },
      { ...set(4, '.', { _id: 4 }), at: 2 },
    ],
    [2, 3, 4],
  ],
]

/** The cases about the events of a stream, save for moments. */
export const EVENTS: Tests<ClientScene> = {
  async 'E1 a stream is read from pieces that end anywhere, also within a character'(scene) {
    const stream = await scene.start({ notes: [{ _id: 1 }] })
    const delta = { root: 'notes', timestamp: TIMESTAMP, oplist: [set(1, 'text', 'für 😀')] }
    const bytes = Buffer.from(encode({ event: 'delta', data: delta, id: 'p2' }))
    // Cuts the id, the name, both characters, and the end of the event.
    const cuts = [4, 18, bytes.indexOf('ü') + 1, bytes.indexOf('😀') + 2, bytes.length - 1]
    for (const [index, cut] of [...cuts, bytes.length].entries()) {
      stream.write(bytes.subarray(cuts[index - 1] ?? 0, cut))
      await delay(PIECE_MS)
    }
    await scene.becomes({ notes: [{ _id: 1, text: 'für 😀' }] })
    checkEqual((await scene.broken(stream)).position, 'p2', 'the position of the next stream')
  },
  async 'E1 of two lines id: in one event, the last counts'(scene) {
    const stream = await scene.start({ notes: [{ _id: 1 }] })
    stream.write('id: p2\nid:\nevent: reset\ndata: {"root":"notes","reason":"slow-client"}\n\n')
    await scene.settled(stream)
    checkEqual((await scene.broken(stream)).position, '', 'the position of the next stream')
  },
  ...Object.fromEntries(
    IGNORED.map(([title, text]) => [
      `E2 a client passes over ${title}`,
      async (scene: ClientScene) => {
        const notes = [{ _id: 1 }]
        const stream = await scene.start({ notes })
        stream.write(text)
        await scene.shows(stream, { notes })
        checkEqual(scene.server.of('stream').length, 1, 'the number of streams')
        checkEqual((await scene.broken(stream)).position, 'p1', 'the position of the next stream')
      },
    ]),
  ),
  async 'E4 a root is shown with its last part, and not before'(scene) {
    await scene.connect()
    const stream = await scene.stream()
    scene.manifest(stream, { notes: true })
    stream.send('payload', { root: 'notes', data: [{ _id: 1 }], part: 0, last: false })
    await scene.shows(stream, { notes: undefined })
    stream.send('payload', { root: 'notes', data: [{ _id: 2 }], part: 1, last: true })
    await scene.shows(stream, { notes: [{ _id: 1 }, { _id: 2 }] })
  },
  async 'E4 deltas that come before the last part are applied after it'(scene) {
    await scene.connect()
    const stream = await scene.stream()
    scene.manifest(stream, { notes: true })
    stream.send('payload', { root: 'notes', data: [{ _id: 1, n: 1 }], part: 0, last: false })
    scene.delta(stream, 'notes', [{ operation: 'inc', id: 2, path: 'n', data: 5 }])
    await scene.shows(stream, { notes: undefined })
    stream.send('payload', { root: 'notes', data: [{ _id: 2, n: 1 }], part: 1, last: true })
    const notes = [
      { _id: 1, n: 1 },
      { _id: 2, n: 6 },
    ]
    await scene.shows(stream, { notes })
  },
  async 'E5 a delta with an operation that is refused changes nothing'(scene) {
    const notes = [{ _id: 1, n: 1 }]
    const stream = await scene.start({ notes })
    scene.delta(stream, 'notes', [set(1, 'n', 2), set(1, '__proto__.n', 2), set(1, 'n', 3)])
    await scene.stream('the stream after an event that could not be applied')
    checkEqual((await scene.state()).data.notes, notes, 'notes')
  },
  async 'E6 the old documents of a root that is reset stay until the new ones are complete'(scene) {
    const stream = await scene.start({ notes: [{ _id: 1 }], others: [{ _id: 7 }] })
    stream.send('reset', { root: 'notes', reason: 'source-changed' }, '')
    stream.send('payload', { root: 'notes', data: [{ _id: 2 }], part: 0, last: false })
    await scene.shows(stream, { notes: [{ _id: 1 }], others: [{ _id: 7 }] })
    stream.send('payload', { root: 'notes', data: [{ _id: 3 }], part: 1, last: true })
    await scene.shows(stream, { notes: [{ _id: 2 }, { _id: 3 }], others: [{ _id: 7 }] })
  },
  async 'E8 an error of a root leaves the stream open, and the other roots go on'(scene) {
    const stream = await scene.start({ notes: [{ _id: 1 }], others: [{ _id: 7 }] })
    stream.send('error', { root: 'notes', code: 'SOURCE_FAILED', message: 'The source has failed' })
    scene.delta(stream, 'others', [set(7, 'n', 1)])
    await scene.shows(stream, { notes: [{ _id: 1 }], others: [{ _id: 7, n: 1 }] })
  },
  async 'E9 a client takes two and a half heartbeats of silence for a loss, and comes back by its position'(
    scene,
  ) {
    scene.server.heartbeat = 400
    const stream = await scene.start({ notes: [] })
    const next = await scene.stream('a stream after two and a half heartbeats without a ping')
    check(next.at - stream.at >= 950, 'the client waits for two and a half heartbeats')
    checkEqual(next.position, 'p1', 'the position of the next stream')
  },
  async 'E9 a ping is a sign of life'(scene) {
    scene.server.heartbeat = 400
    const stream = await scene.start({ notes: [] })
    for (let i = 0; i < 8; i++) {
      stream.send('ping', {})
      await delay(200)
    }
    checkEqual(
      [stream.isClosed, scene.server.of('stream').length],
      [false, 1],
      'whether another stream began',
    )
  },
  async 'E10 the token of the event session takes the place of the last token'(scene) {
    const stream = await scene.start({ notes: [] })
    stream.send('session', { token: 'renewed', expiresAt: new Date(Date.now() + 3_600_000).toISOString() })
    await scene.settled(stream)
    checkEqual((await scene.broken(stream)).token, 'renewed', 'the token of the next stream')
  },
  async 'E10 a token that has expired on an open stream leads to a handshake and to a stream by its position'(
    scene,
  ) {
    const stream = await scene.start({ notes: [] })
    stream.send('error', { code: 'TOKEN_EXPIRED', message: 'The token has expired' })
    stream.end()
    const next = await scene.stream('a stream after a handshake')
    checkEqual([next.token, next.position], ['t2', 'p1'], 'the token and the position of the next stream')
  },
  async 'E11 a payload keeps the order of its documents'(scene) {
    const notes = [3, 1, 2].map((_id): Document => ({ _id }))
    const stream = await scene.start({ notes })
    await scene.shows(stream, { notes })
  },
  ...Object.fromEntries(
    PLACES.map(([title, oplist, ids]) => [
      `E11 at: ${title}`,
      async (scene: ClientScene) => {
        const stream = await scene.start({ notes: [{ _id: 1 }, { _id: 2 }, { _id: 3 }] })
        scene.delta(stream, 'notes', oplist)
        await scene.shows(stream, { notes: ids.map((_id) => ({ _id })) })
      },
    ]),
  ),
  async 'E15 a client that waits for a position goes on when the event comes, and not before'(scene) {
    const stream = await scene.start({ notes: [] })
    let isDone = false
    scene.server.on.reached = (asked) => asked.answer(200, { live: true })
    const reached = scene.reached('w1').then(() => {
      isDone = true
    })
    await Promise.race([scene.server.next('reached', 'the position of a write'), reached])
    stream.send('reached', { position: 'other' })
    await scene.settled(stream)
    check(!isDone, 'the client waits until its own position was reported')
    scene.delta(stream, 'notes', [set(1, '.', { _id: 1 })], 'p2')
    stream.send('reached', { position: 'w1' })
    await reached
    checkEqual((await scene.state()).data.notes, [{ _id: 1 }], 'notes at that time')
  },
  ...Object.fromEntries(
    BROKEN.map(([title, text]) => [
      `C3 a client starts clean after ${title}`,
      async (scene: ClientScene) => {
        const stream = await scene.start({ notes: [{ _id: 1 }] })
        stream.write(text)
        const next = await scene.stream('a stream after an event that could not be applied')
        checkEqual(next.position, '', 'the position of the next stream')
        await scene.begin(next, { notes: [{ _id: 2 }] })
        await scene.shows(next, { notes: [{ _id: 2 }] })
      },
    ]),
  ),
}
