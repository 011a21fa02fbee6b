import { setTimeout as delay } from 'node:timers/promises'
import { check, checkEqual, Mistake, type Tests } from '../case.ts'
import { type ClientScene, IDENTITY } from './scene.ts'

const NOTES = { notes: [{ _id: 1 }] }
/** Longer than the first delay of a client that tries again, which is between 1 s and 2 s. */
const FINAL_MS = 2_500

/** Resolves to a step that comes before the end of another. Rejects when the other ends first. */
async function before<T>(other: Promise<unknown>, step: Promise<T>): Promise<T> {
  const early = other.then((): never => {
    throw new Mistake('the client waits for the position of a write until the server reports it')
  })
  return await Promise.race([step, early])
}

/** The cases about handshakes, streams that are refused, and the requests beside a stream. */
export const REQUESTS: Tests<ClientScene> = {
  async 'R1 a handshake presents the identity as JSON, and the stream follows with its token'(scene) {
    const stream = await scene.start(NOTES)
    const [shake] = scene.server.of('handshake')
    check(shake, 'the client makes a handshake first')
    checkEqual(shake.method, 'POST', 'the method of the handshake')
    check(/^application\/json\b/.test(shake.contentType), 'the handshake has the type application/json')
    checkEqual(shake.body.identity, IDENTITY, 'the identity of the handshake')
    checkEqual(shake.body.previous ?? null, null, 'previous in the first handshake')
    checkEqual(stream.token, 't1', 'the token of the stream')
  },
  async 'R1 a later handshake names the last token as previous'(scene) {
    const next = await scene.broken(await scene.start(NOTES))
    next.refuse(401, 'UNAUTHORIZED')
    const stream = await scene.stream('the stream after a second handshake')
    checkEqual(scene.server.of('handshake')[1]?.body.previous, 't1', 'previous in the second handshake')
    checkEqual(stream.token, 't2', 'the token of the stream')
  },
  async 'R3 the token of an answer TOKEN_STALE is previous in the next handshake'(scene) {
    const next = await scene.broken(await scene.start(NOTES))
    next.refuse(401, 'TOKEN_STALE', { token: 'kept' })
    await scene.stream('the stream after a second handshake')
    checkEqual(scene.server.of('handshake')[1]?.body.previous, 'kept', 'previous in the second handshake')
  },
  async 'R5 a client that comes back presents its position'(scene) {
    const stream = await scene.start(NOTES)
    checkEqual(stream.position, '', 'the position of the first stream')
    const next = await scene.broken(stream)
    checkEqual(next.position, 'p1', 'the position of the second stream')
  },
  async 'R10 a renewal that is refused ends the client'(scene) {
    const stream = await scene.start(NOTES)
    scene.server.on.handshake = (shake) => shake.refuse(401, 'UNAUTHORIZED')
    stream.send('renew', { reason: 'expiring', within: 5_000 })
    await scene.server.next('handshake', 'the handshake of the start')
    await scene.server.next('handshake', 'a handshake after the event "renew"')
    stream.send('revoked', { reason: 'refused' })
    stream.end()
    await scene.until(({ status }) => status === 'refused', 'the client is refused')
  },
  async 'R11 a position to wait for is named on the open stream'(scene) {
    const stream = await scene.start(NOTES)
    const reached = scene.reached('w1')
    const asked = await before(reached, scene.server.next('reached', 'the position of a write'))
    checkEqual(asked.reached, ['w1'], 'the positions of the request')
    checkEqual(asked.token, 't1', 'the token of the request')
    asked.answer(200, { live: true })
    stream.send('reached', { position: 'w1' })
    await reached
  },
  async 'R11 a client whose stream is on another node tries again, and then opens a stream for the position'(
    scene,
  ) {
    await scene.start(NOTES)
    scene.server.on.reached = (asked) => asked.answer(200, { live: false })
    const reached = scene.reached('w1')
    const stream = await before(reached, scene.stream('a stream that names the position'))
    const tries = scene.server.of('reached').length
    check(tries >= 2, `the client asks again before it opens another stream: it asked ${tries} times`)
    checkEqual(stream.reached, ['w1'], 'reached in the request for the stream')
    await scene.begin(stream, { notes: undefined }, { resumed: true })
    stream.send('reached', { position: 'w1' })
    await reached
  },
  async 'C1 a stream is opened again with the token in hand'(scene) {
    const next = await scene.broken(await scene.start(NOTES))
    checkEqual(next.token, 't1', 'the token of the second stream')
    checkEqual(scene.server.of('handshake').length, 1, 'the number of handshakes')
  },
  async 'C1 a token that has expired is replaced by a handshake first'(scene) {
    scene.server.ttl = 500
    const stream = await scene.start(NOTES)
    await delay(600)
    scene.server.ttl = 3_600_000
    const next = await scene.broken(stream)
    checkEqual(next.token, 't2', 'the token of the second stream')
    checkEqual(scene.server.of('handshake')[1]?.body.previous, 't1', 'previous in the second handshake')
  },
  async 'C2 tries after failures are a second apart at least, and later each time'(scene) {
    scene.server.on.handshake = (shake, count) =>
      count > 2 ? scene.server.grant(shake) : shake.refuse(503, 'UNAVAILABLE')
    await scene.connect()
    await scene.stream('a stream after two failed handshakes')
    const [first, second, third] = scene.server.of('handshake').map(({ at }) => at)
    for (const [from = 0, to = 0] of [
      [first, second],
      [second, third],
    ])
      check(to - from >= 950, `the client tries again after ${Math.round(to - from)} ms, and not after 1 s`)
  },
  async 'C2 a client waits as long as Retry-After says'(scene) {
    scene.server.on.handshake = (shake, count) =>
      count > 1 ? scene.server.grant(shake) : shake.refuse(429, 'TOO_MANY_HANDSHAKES', { retryAfter: 3 })
    await scene.connect()
    const stream = await scene.stream('a stream after a handshake that was put off')
    const [first, second] = scene.server.of('handshake').map(({ at }) => at)
    const waited = Math.round((second ?? 0) - (first ?? 0))
    check(waited >= 2_950, `the client tries again after ${waited} ms, and not after the 3 s of Retry-After`)
    await scene.begin(stream, NOTES)
  },
  async "C4 a 401 of the protocol's own form is final"(scene) {
    scene.server.on.handshake = (shake) => shake.refuse(401, 'UNAUTHORIZED')
    await scene.connect()
    await scene.until(({ status }) => status === 'refused', 'the client is refused')
    await delay(FINAL_MS)
    checkEqual(scene.server.requests.length, 1, 'the number of requests')
  },
  async 'C4 a 401 of any other form is tried again'(scene) {
    scene.server.on.handshake = (shake, count) =>
      count > 1 ? scene.server.grant(shake) : shake.answer(401, '<h1>Log in to the proxy</h1>')
    await scene.start(NOTES)
  },
  async 'C4 a stream that is revoked is not opened again'(scene) {
    const stream = await scene.start(NOTES)
    stream.send('revoked', { reason: 'logged out' })
    stream.end()
    await scene.until(({ status }) => status === 'refused', 'the client is refused')
    await delay(FINAL_MS)
    checkEqual(scene.server.requests.length, 2, 'the number of requests')
  },
  async 'C4 a client that was closed makes no further request'(scene) {
    const stream = await scene.start(NOTES)
    await scene.driver.send({ do: 'close' })
    await scene.until(({ status }) => status === 'closed', 'the client is closed')
    await delay(FINAL_MS)
    await scene.closes(stream)
    checkEqual(scene.server.requests.length, 2, 'the number of requests')
  },
  async 'C7 a renewal leaves a stream open that goes on, and its token counts from then on'(scene) {
    const stream = await scene.start(NOTES)
    scene.server.on.handshake = (shake) => scene.server.grant(shake, { live: true })
    await scene.server.next('handshake', 'the handshake of the start')
    stream.send('renew', { reason: 'expiring', within: 5_000 })
    const shake = await scene.server.next('handshake', 'a handshake after the event "renew"')
    checkEqual(shake.body.previous, 't1', 'previous in the handshake')
    // Waits for the answer to arrive, by the time that two more answers take.
    for (let i = 0; i < 2; i++) await scene.settled(stream)
    await delay(200)
    check(!stream.isClosed, 'the stream stays open')
    const next = await scene.broken(stream)
    checkEqual([next.token, next.position], ['t2', 'p1'], 'the token and the position of the next stream')
  },
  async 'C7 a renewal on a node without the stream leads to a new stream, by its position'(scene) {
    const stream = await scene.start(NOTES)
    stream.send('renew', { reason: 'expiring', within: 5_000 })
    const next = await scene.stream('a stream after a handshake whose answer says live: false')
    checkEqual(next.position, 'p1', 'the position of the next stream')
    check(next.token !== 't1', 'the next stream has the token of the handshake')
    await scene.begin(next, { notes: undefined }, { resumed: true })
    await scene.closes(stream)
  },
  async 'C8 the status stays ready for a moment after a stream that ended in order, and not for long'(scene) {
    const stream = await scene.start(NOTES)
    await delay(1_200)
    stream.end()
    await scene.stream('the stream after one that ended in order')
    checkEqual((await scene.state()).status, 'ready', 'the status while the next stream opens')
    await scene.until(({ status }) => status !== 'ready', 'the client is not ready without a stream', 5_000)
  },
}

/** The cases about delays of less than a second, which other cases beside them would lengthen. */
export const DELAYS: Tests<ClientScene> = {
  async 'C2 a stream that was complete and a second old is replaced within 300 ms'(scene) {
    const stream = await scene.start(NOTES)
    await delay(1_200)
    const ended = performance.now()
    const next = await scene.broken(stream)
    // Leaves the client time for its own work, and for a busy machine.
    check(next.at - ended < 1_000, `the client comes back after ${Math.round(next.at - ended)} ms`)
  },
  async 'C6 a token that opens no stream leads to one handshake at once, and to a delay after that'(scene) {
    await scene.connect()
    const first = await scene.stream()
    first.refuse(401, 'UNAUTHORIZED')
    const second = await scene.stream('a stream after a second handshake')
    check(second.at - first.at < 900, 'the client makes a second handshake at once')
    second.refuse(401, 'UNAUTHORIZED')
    const third = await scene.stream('a stream after a third handshake')
    check(third.at - second.at >= 950, 'the client waits a second at least before a third handshake')
    checkEqual([second.token, third.token], ['t2', 't3'], 'the tokens of the streams')
  },
}
