/** A process of many clients: raw sockets that count the deltas which come, and look at nothing else. */

import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { Wire } from './candidate.ts'
import { serve } from './child.ts'
import { MARK } from './event.ts'

interface Address {
  port: number
  path: string
  wire: Wire
  /** Another header line. */
  extra?: string
}

const MARKER = MARK.charCodeAt(0)
/** How many connections may be under way at once, fewer than a server's backlog. */
const AT_ONCE = 200
/** A server's frame of the text `2`, Socket.IO's ping, which may come within other frames; 0x81 stands in no text of this benchmark. */
const PING = Buffer.from([0x81, 1, 0x32])
/** The frame of a short WebSocket text, masked with zeros. */
const frame = (text: string) => Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0, ...Buffer.from(text)])
const PONG = frame('3')
/** What clients say over WebSockets once they are connected. */
const HELLOS: Partial<Record<Wire, Buffer>> = {
  // Opens the namespace.
  'socket.io': frame('40'),
  centrifugo: frame('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"people"}}'),
}

/** A WebSocket's closing frame without a reason, which a server follows by the end only once it is answered. */
const CLOSE = Buffer.from([0x88, 0])

const sockets = new Set<Socket>()
const sessions = new Set<ClientHttp2Session>()
/** Where all sockets read to: what came is looked at at once. */
const shared = Buffer.allocUnsafe(256 * 1024)
let deliveries = 0
let bytes = 0

function count(chunk: Buffer): void {
  for (let at = chunk.indexOf(MARKER); at >= 0; at = chunk.indexOf(MARKER, at + 1)) deliveries++
}

/** Subscribes a client of PocketBase, whose id is the first event of its stream. */
async function subscribe(port: number, event: string): Promise<void> {
  const clientId = /"clientId":"(\w+)"/.exec(event)?.[1]
  const response = await fetch(`http://127.0.0.1:${port}/api/realtime`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ clientId, subscriptions: ['people'] }),
  })
  if (!response.ok) throw new Error(`PocketBase answers ${response.status}: ${await response.text()}`)
}

function request({ path, wire, extra }: Address): string {
  const upgrade = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${wire === 'sse' || wire === 'pocketbase' ? '' : upgrade + key}${extra ? `${extra}\r\n` : ''}\r\n`
}

/** Opens one client; resolves once its first bytes have come. */
function open(address: Address, head: string): Promise<void> {
  const hello = HELLOS[address.wire]
  return new Promise((resolve, reject) => {
    let first = true
    const socket = connect({
      port: address.port,
      host: '127.0.0.1',
      onread: {
        buffer: shared,
        callback: (length) => {
          const chunk = shared.subarray(0, length)
          bytes += length
          if (!first && address.wire === 'socket.io' && chunk.includes(PING)) socket.write(PONG)
          if (first && (address.wire !== 'pocketbase' || chunk.includes('clientId'))) {
            first = false
            if (hello) socket.write(hello)
            if (address.wire === 'pocketbase') subscribe(address.port, String(chunk)).then(resolve, reject)
            else resolve()
          }
          count(chunk)
          return true
        },
      },
    })
    socket.once('error', reject)
    socket.once('close', () => sockets.delete(socket))
    sockets.add(socket)
    socket.write(head)
  })
}

/** Opens one client over HTTP/2, on a connection of its own as a browser has it. */
function openHttp2({ port, path }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.once('error', reject)
    session.once('close', () => sessions.delete(session))
    sessions.add(session)
    const stream = session.request({ ':path': path })
    stream.once('error', reject)
    stream.once('response', () => resolve())
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      count(chunk)
    })
  })
}

type Reading = Address & { until: string | undefined }

/** Requests one path and reads until a text has come, or the end; tells how long it took, and how many bytes came. */
function read({ until, ...address }: Reading): Promise<{ ms: number; bytes: number }> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    let tail = ''
    let length = 0
    const socket = connect(address.port, '127.0.0.1', () => socket.write(request(address)))
    const done = () => {
      resolve({ ms: performance.now() - began, bytes: length })
      socket.destroy()
    }
    socket.on('data', (chunk: Buffer) => {
      const hello = HELLOS[address.wire]
      if (length === 0 && hello) socket.write(hello)
      length += chunk.length
      tail = tail.slice(-100) + chunk.toString('latin1').slice(-300)
      if (until === undefined ? chunk.subarray(-2).equals(CLOSE) : tail.includes(until)) done()
    })
    socket.once('end', done)
    socket.once('error', reject)
  })
}

serve({
  /** Opens so many clients; resolves once nothing has come for a while, or after 3 s: some servers always have something to say. */
  open: async ({ clients, ...address }: Address & { clients: number }) => {
    const head = request(address)
    let left = clients
    const worker = async () => {
      while (left-- > 0) await (address.wire === 'http2' ? openHttp2(address) : open(address, head))
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, clients) }, worker))
    for (let before = -1, tries = 10; before !== bytes && tries > 0; tries--) {
      before = bytes
      await wait(300)
    }
    return sockets.size + sessions.size
  },
  deliveries: () => deliveries,
  bytes: () => bytes,
  /** Resolves with the bytes so far, once none have come for half a second. */
  settle: async () => {
    for (let before = -1; before !== bytes; await wait(500)) before = bytes
    return bytes
  },
  /** Resolves once so many deliveries have come. */
  reach: async ({ deliveries: wanted, patience }: { deliveries: number; patience: number }) => {
    for (const end = Date.now() + patience; deliveries < wanted; await wait(2)) {
      if (Date.now() > end) throw new Error(`${deliveries} of ${wanted} deliveries came`)
    }
    return deliveries
  },
  read,
  /** Reads so many times, some at once. */
  arrive: async ({ clients, atOnce, ...reading }: Reading & { clients: number; atOnce: number }) => {
    let left = clients
    const worker = async () => {
      while (left-- > 0) await read(reading)
    }
    await Promise.all(Array.from({ length: atOnce }, worker))
  },
  /** Stops all clients from reading, without closing them. */
  stop: () => {
    for (const socket of sockets) socket.pause()
  },
  close: () => {
    for (const socket of sockets) socket.resetAndDestroy()
    sockets.clear()
    for (const session of sessions) session.destroy()
    sessions.clear()
    deliveries = 0
  },
})
