// The clients that misbehave, in a process of their own, forked by crowd.ts.
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Model } from '../../lib/model/document.ts'
import { attackHttp, attackSocket } from '../hostile/support/attack.ts'
import { Random } from '../hostile/support/random.ts'
import { Visitor } from '../hostile/support/visitor.ts'
import { shake } from '../support/http.ts'
import { ModelReader } from '../support/model-reader.ts'
import { readStream } from '../support/stream.ts'
import { count, flaw, send, sightings } from './reports.ts'
import type { CrowdOrder } from './visitors.ts'
import { LATEST, passwordOf, SECRET, STRANGER, TEAMS, USERS } from './world.ts'

const LAST_REQUESTS_MS = 10_000
const [given = '', seed = '1'] = process.argv.slice(2)
/** The ports of nginx and of the nodes. */
const ports: number[] = JSON.parse(given)
const random = new Random(Number(seed))
const agent = new Agent({ keepAlive: true, maxSockets: 4 })
const stranger = new Visitor(`http://127.0.0.1:${ports[0]}`, STRANGER, passwordOf(STRANGER))
const sockets = new Set<Socket>()
/** Counts the turns of misbehaviour: what an earlier one still does ends by itself. */
let turn = 0

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const anywhere = () => `http://127.0.0.1:${random.pick(ports)}/particle`

/** Looks for rows of others in what came to the stranger, who may see open news and nothing more. */
function search(text: string, manner: string): void {
  const [found] = /"team":"t\d"|"level":"(?:staff|board)"|SECRET|node_modules|\n {4}at /.exec(text) ?? []
  if (found !== undefined) flaw(`${STRANGER} was shown ${found} by ${manner}`)
  for (const [, status = ''] of text.matchAll(/^HTTP\/1\.1 (\d+)/gm)) count(`status ${status}`)
}

function open(address = '127.0.0.1'): { socket: Socket; text(): string } {
  const socket = connect({ port: random.pick(ports), host: '127.0.0.1', localAddress: address })
  sockets.add(socket)
  let text = ''
  socket.on('data', (chunk) => {
    text = (text + chunk).slice(-100_000)
  })
  socket.on('error', () => {})
  socket.once('close', () => sockets.delete(socket))
  return { socket, text: () => text }
}

function streamOf(token: string): string {
  return `GET /particle/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`
}

async function tokenOf(user: string): Promise<string> {
  return (await shake(anywhere(), { user, password: passwordOf(user) })).token
}

/** A token and a position that a client once had, and the model that it had then. */
interface Past {
  user: string
  token: string
  position: string
  reader: ModelReader
}
const pasts: Past[] = []

/** Notes what a stream shows, event by event; a reader that cannot apply an operation has found a flaw. */
function read(user: string, reader: ModelReader, events: { name: string; data: unknown }[]): void {
  for (const { name, data } of events) {
    try {
      reader.take(name, data)
    } catch (error) {
      flaw(`a stream of ${user} could not be applied: ${error}`)
      return
    }
    const { root = '' } = Object(data) as { root?: string }
    if (name === 'payload' || name === 'delta')
      for (const row of reader.model[root] ?? []) sightings.note(user, root, row)
  }
}

const copyOf = (reader: ModelReader): ModelReader => {
  const copy = new ModelReader()
  Object.assign(copy.model, structuredClone(reader.model) as Model)
  return copy
}

/** Ways to misbehave, each over and over. */
const MANNERS: Record<string, () => Promise<void>> = {
  'sends random requests': async () => {
    if (stranger.tokens.length === 1) await stranger.shake()
    const port = random.pick(ports)
    const attacking = random.chance(0.15)
      ? attackHttp(random, stranger, port, agent)
      : attackSocket(random, stranger, port)
    const { requests, text } = await attacking
    count('random requests', requests)
    stranger.learn(text, random)
    search(text, 'random requests')
    await pause(60)
  },
  'reads slowly': async () => {
    const { socket, text } = open()
    socket.write(streamOf(await tokenOf(STRANGER)))
    await pause(300)
    socket.pause()
    await pause(1_000 + random.below(5_000))
    if (random.chance(0.5)) {
      socket.resume()
      await pause(500)
    }
    socket.destroy()
    search(text(), 'reading slowly')
  },
  'breaks off': async () => {
    const { socket, text } = open()
    socket.write(streamOf(await tokenOf(random.pick(USERS))))
    await pause(random.below(600))
    if (text().includes(SECRET)) flaw('a broken stream had the secret')
    if (random.chance(0.5)) socket.resetAndDestroy()
    else socket.destroy()
  },
  'floods with handshakes': async () => {
    await pause(2_000 + random.below(4_000))
    const body = JSON.stringify({ identity: { user: STRANGER, password: 'wrong' } })
    const request = `POST /particle/handshake HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    const all = Array.from({ length: 15 }, () => open('127.0.0.9'))
    for (const { socket } of all) socket.write(request.repeat(60))
    await pause(1_000)
    for (const { socket, text } of all) {
      socket.destroy()
      search(text(), 'flooding')
    }
  },
  'opens too many streams': async () => {
    const token = await tokenOf(STRANGER)
    const all = [open()]
    all[0]?.socket.write(streamOf(token))
    for (let more = 0; more < 14; more++) {
      const one = open()
      all.push(one)
      one.socket.write(streamOf(await tokenOf(STRANGER)))
    }
    await pause(1_000 + random.below(2_000))
    for (const { socket, text } of all) {
      socket.destroy()
      search(text(), 'too many streams')
    }
    await pause(2_000)
  },
  'sends bodies that are slow or too long': async () => {
    const length = random.pick([99, 99, 90_000, 600_000])
    const all = Array.from({ length: 4 }, () => open())
    const head = `POST /particle/handshake HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
    for (const { socket } of all) socket.write(`${head}{"identity":${' '.repeat(random.below(length))}`)
    await pause(1_500 + random.below(1_500))
    for (const { socket, text } of all) {
      socket.destroy()
      search(text(), 'slow bodies')
    }
  },
  'watches too much': async () => {
    const roots = TEAMS.map((team) => `${LATEST}?${JSON.stringify({ team })}`)
    const wrong = [`${LATEST}?{"team":{"$ne":1}}`, 'tasks', 'people?{}', `${LATEST}?{}`]
    const watch = encodeURIComponent(JSON.stringify([...roots, ...wrong]))
    const headers = { Authorization: `Bearer ${await tokenOf(STRANGER)}` }
    const reader = await readStream(`${anywhere()}/stream?watch=${watch}`, headers)
    await pause(1_000)
    reader.close()
    search(JSON.stringify(reader.events), 'watching')
    count(`watches answered ${reader.status}`)
  },
  'comes back with an old token and position': async () => {
    const past = random.pick(pasts)
    if (pasts.length < 12 || random.chance(0.2)) {
      const user = random.pick(USERS)
      const headers = { Authorization: `Bearer ${await tokenOf(user)}` }
      const stream = await readStream(`${anywhere()}/stream`, headers)
      await pause(500 + random.below(2_000))
      stream.close()
      const reader = new ModelReader()
      read(user, reader, stream.events)
      const token = headers.Authorization.slice('Bearer '.length)
      pasts.push({ user, token, position: stream.lastId(), reader })
      if (pasts.length > 12) pasts.shift()
      return
    }
    await pause(random.below(1_000))
    // A position of another one is no secret, and must not be taken.
    const { position } = random.chance(0.3) ? random.pick(pasts) : past
    const headers = { Authorization: `Bearer ${past.token}`, 'Last-Event-ID': position }
    const stream = await readStream(`${anywhere()}/stream`, headers)
    await pause(300 + random.below(1_000))
    stream.close()
    count(`returns answered ${stream.status}`)
    if (stream.status === 200) read(past.user, copyOf(past.reader), stream.events)
    else pasts.splice(pasts.indexOf(past), 1)
  },
}

async function misbehave(name: string, once: () => Promise<void>, own: number): Promise<void> {
  while (own === turn) {
    count(name)
    // Nodes and nginx are down at times.
    await once().catch(() => pause(300))
  }
}

let working: Promise<unknown> = Promise.resolve()

process.on('message', async ({ order }: CrowdOrder) => {
  turn++
  const own = turn
  if (order === 'open')
    working = Promise.all(Object.entries(MANNERS).map(([name, once]) => misbehave(name, once, own)))
  if (order !== 'close') return
  // A node may leave a request without an answer for long.
  await Promise.race([working, pause(LAST_REQUESTS_MS)])
  for (const socket of sockets) socket.destroy()
  agent.destroy()
  send({ closed: true })
})
process.on('disconnect', () => process.exit())
send({ closed: true })
