import { PROTOCOL } from '../../../protocol/messages.ts'
import { check, checkEqual, Skip, type Tests } from '../case.ts'
import type { Asked } from './http.ts'
import { checkRefusal, type ServerScene } from './scene.ts'

/** Handshakes that are refused, with the status. */
const REFUSED: readonly [title: string, status: number, asked: Asked][] = [
  ['a body that is no JSON', 400, { body: '{"identity":' }],
  ['a body that is no object', 400, { body: '[]' }],
  ['an identity that the lookup refuses', 401, { body: { identity: { user: '' }, carrier: 'header' } }],
  ['another method', 405, { method: 'GET' }],
  [
    'a body over the limit',
    413,
    { method: 'POST', headers: { 'Content-Type': 'application/json', 'Content-Length': '10000000000' } },
  ],
  ['a body of another type', 415, { body: '{}', headers: { 'Content-Type': 'text/plain' } }],
]

/** Changes a character in the middle of a sealed text. */
export function forged(text: string): string {
  const at = Math.floor(text.length / 2)
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
}

/** The cases about requests. */
export const REQUESTS: Tests<ServerScene> = {
  async 'R1 a handshake is answered with a token, a session, and what a client needs to know'(scene) {
    const { token, session, stream, expiresAt, protocol, heartbeat, live } = await scene.login()
    for (const [name, value] of Object.entries({ token, session, stream, expiresAt }))
      check(typeof value === 'string' && value !== '', `${name} is a text, and not ${value}`)
    check(Date.parse(String(expiresAt)) > Date.now(), `the token ends in the future, and not at ${expiresAt}`)
    check(Number(heartbeat) > 0, `heartbeat is a number of milliseconds, and not ${heartbeat}`)
    checkEqual([protocol, live], [PROTOCOL, false], 'protocol and live')
  },
  async 'R1 a handshake with previous continues the session, and its positions stay valid'(scene) {
    const { session, token } = await scene.login()
    const { position, model } = await scene.ready()
    const next = await scene.login({ previous: token ?? null })
    checkEqual(next.session, session, 'the session')
    const stream = await scene.ready({ position, model })
    checkEqual(stream.manifest?.resumed, true, 'resumed')
  },
  async 'R1 a handshake with any other text as previous begins another session'(scene) {
    const { session } = await scene.login()
    const next = await scene.login({ previous: forged(scene.token) })
    check(next.session !== session, 'the session is another one')
  },
  async 'R1 a handshake with fork begins a session of its own, for which the positions stay valid'(scene) {
    const { session, token } = await scene.login()
    const { position, model } = await scene.ready()
    const next = await scene.login({ previous: token ?? null, fork: true })
    check(next.session !== session, 'the session is another one')
    const stream = await scene.ready({ position, model })
    checkEqual(stream.manifest?.resumed, true, 'resumed')
  },
  ...Object.fromEntries(
    REFUSED.map(([title, status, asked]) => [
      `R2 a handshake with ${title} is answered with ${status}`,
      async (scene: ServerScene) => {
        checkRefusal(await scene.ask(scene.route('handshake'), asked), status)
      },
    ]),
  ),
  async 'R3 a stream takes its token from a header, from the address and from a body'(scene) {
    await scene.login()
    const { token } = scene
    const url = scene.route('stream')
    for (const [address, asked] of [
      [url, { headers: { Authorization: `Bearer ${token}` } }],
      [`${url}?token=${encodeURIComponent(token)}`, {}],
      [url, { body: { token } }],
    ] as const) {
      const stream = await scene.openAt(address, asked)
      checkEqual(stream.status, 200, 'the status')
      await stream.next('ready')
    }
  },
  async 'R3 a stream without a valid token is answered with 401'(scene) {
    const url = scene.route('stream')
    for (const headers of [{}, { Authorization: 'Bearer nothing' }])
      checkRefusal(await scene.ask(url, { headers }), 401)
    checkRefusal(await scene.ask(url, { body: { token: 'nothing' } }), 401)
  },
  async 'R4 a server without a lookup streams without a token'(scene) {
    const stream = await scene.openAt(`${await scene.other('open')}/stream`, {})
    checkEqual(stream.status, 200, 'the status')
    await stream.next('ready')
    checkEqual(Object.keys(stream.manifest?.sources ?? {}), ['public'], 'the roots')
  },
  async 'R5 a position is taken from a header, from the address and from a body'(scene) {
    const { position } = await scene.connect()
    const { token } = scene
    const headers = { Authorization: `Bearer ${token}` }
    const url = scene.route('stream')
    for (const [address, asked] of [
      [url, { headers: { ...headers, 'Last-Event-ID': position } }],
      [`${url}?lastEventId=${encodeURIComponent(position)}`, { headers }],
      [url, { body: { token, lastEventId: position } }],
    ] as const) {
      const stream = await scene.openAt(address, asked)
      checkEqual((await stream.next('manifest')).data.resumed, true, 'resumed')
    }
  },
  async 'R6 a token that was changed opens no stream'(scene) {
    await scene.login()
    const headers = { Authorization: `Bearer ${forged(scene.token)}` }
    checkRefusal(await scene.ask(scene.route('stream'), { headers }), 401)
  },
  async 'R6 a token tells nothing of the identity to who decodes it'(scene) {
    await scene.login()
    const parts = [scene.token, ...scene.token.split(/[^\w-]/)]
    for (const text of parts.flatMap((part) => [part, Buffer.from(part, 'base64url').toString('latin1')]))
      check(!text.includes(scene.user), 'the token has the name of the user in it')
  },
  async 'R7 client.js is a module'(scene) {
    const { status, headers } = await scene.ask(scene.route('client.js'))
    if (status === 404) throw new Skip("the server has no browser's client")
    checkEqual(status, 200, 'the status')
    const type = headers['content-type'] ?? ''
    check(/javascript/.test(type), `the type is that of JavaScript, and not ${type}`)
  },
  async 'R8 a handshake without a carrier has a ticket, which opens one stream without its cookie'(scene) {
    const { body, headers } = await scene.shake({ identity: { user: scene.user } })
    const cookie = (headers['set-cookie'] ?? []).find((each) => /^(?:__Secure-)?particle=/.test(each))
    check(cookie, `the answer sets the cookie particle, and not ${headers['set-cookie'] ?? 'none'}`)
    const [, query] = /(\?token=.+)$/.exec(String(body.stream)) ?? []
    check(query, `stream has a ticket, and is not ${body.stream}`)
    const url = `${scene.route('stream')}${query}`
    const withCookie = { headers: { Cookie: cookie.replace(/;.*/, '') } }
    const statuses: number[] = []
    for (const asked of [{}, {}, withCookie, withCookie]) {
      const stream = await scene.openAt(url, asked)
      statuses.push(stream.status)
      stream.close()
    }
    checkEqual(statuses, [200, 401, 200, 200], 'the statuses without the cookie, again, and with it twice')
  },
  async 'R8 a client that sends its token itself gets neither a cookie nor a ticket'(scene) {
    const { body, headers } = await scene.shake({ identity: { user: scene.user }, carrier: 'header' })
    checkEqual(headers['set-cookie'] ?? [], [], 'the cookies')
    check(!String(body.stream).includes('token='), `stream has no ticket: ${body.stream}`)
  },
  async 'R9 a token and a position are good for no other server'(scene) {
    const url = await scene.other('open')
    const { body } = await scene.ask(`${url}/handshake`, { body: { identity: null, carrier: 'header' } })
    const headers = { Authorization: `Bearer ${body.token}` }
    checkRefusal(await scene.ask(scene.route('stream'), { headers }), 401)
    const other = await scene.openAt(`${url}/stream`, {})
    await other.next('ready')
    const stream = await scene.connect({ position: other.position })
    checkEqual(stream.manifest?.resumed, false, 'resumed')
  },
  async 'R10 a handshake with previous renews the open stream, which goes on'(scene) {
    const stream = await scene.connect()
    const { live } = await scene.login({ previous: scene.token })
    checkEqual(live, true, 'live')
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'a' }) })
    await stream.becomes('tasks', [{ _id: scene.id(1), title: 'a' }])
  },
  async 'R10 a handshake with previous for a session without a stream says live: false'(scene) {
    await scene.login()
    checkEqual((await scene.login({ previous: scene.token })).live, false, 'live')
  },
  async 'R10 a renewal whose identity is refused ends the open stream with revoked'(scene) {
    const stream = await scene.connect()
    const previous = scene.token
    checkRefusal(await scene.shake({ identity: { user: '' }, carrier: 'header', previous }), 401)
    await stream.next('revoked')
  },
  async 'R11 a position is reported on the open stream of its session, and live says whether there is one'(
    scene,
  ) {
    await scene.login()
    const position = await scene.position({ collection: 'tasks', insert: scene.task(1) })
    checkEqual((await scene.post('reached', { position })).body.live, false, 'live without a stream')
    const stream = await scene.ready()
    checkEqual((await scene.post('reached', { position })).body.live, true, 'live with a stream')
    checkEqual((await stream.next('reached')).data.position, position, 'the position')
  },
  async 'R11 a position in the request of a stream is reported on it'(scene) {
    await scene.login()
    const position = await scene.position({ collection: 'tasks', insert: scene.task(1) })
    const stream = await scene.ready({ reached: [position] })
    checkEqual((await stream.next('reached')).data.position, position, 'the position')
  },
  async 'R11 a text that is no position is answered with 400'(scene) {
    await scene.connect()
    checkRefusal(await scene.post('reached', { position: 'nothing' }), 400)
  },
}
