import { type Agent, request } from 'node:http'
import { connect } from 'node:net'
import type { Random } from './random.ts'
import { bytesOf, craft } from './request.ts'
import type { Visitor } from './visitor.ts'

/** What came of an attack: how many requests it made, and all that was answered. */
export interface Outcome {
  requests: number
  text: string
}

/** How long an attack lasts at most, in milliseconds. */
const LONGEST_MS = 120

/** Makes one to twelve requests on a connection, in pieces, and leaves in one of many ways. */
export function attackSocket(random: Random, visitor: Visitor, port: number): Promise<Outcome> {
  const requests = 1 + random.below(12)
  const all = Buffer.concat(Array.from({ length: requests }, () => bytesOf(random, craft(random, visitor))))
  const cut = random.chance(0.5) ? all.length : random.below(all.length)
  const manner = random.pick(['wait', 'wait', 'wait', 'half', 'first', 'reset', 'gone'])
  const delay = random.below(10)
  const patience = random.below(LONGEST_MS)
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: random.chance(0.2) })
    const chunks: Buffer[] = []
    const leave = () => void (manner === 'reset' ? socket.resetAndDestroy() : socket.destroy())
    const timers = [
      setTimeout(leave, LONGEST_MS),
      setTimeout(() => {
        if (!socket.writable) return
        socket.write(all.subarray(cut))
        if (manner === 'half') socket.end()
        if (manner === 'reset' || manner === 'gone') timers.push(setTimeout(leave, patience))
      }, delay),
    ]
    socket.write(all.subarray(0, cut))
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (manner === 'first') leave()
    })
    socket.on('error', () => {})
    socket.once('end', leave)
    socket.once('close', () => {
      for (const timer of timers) clearTimeout(timer)
      resolve({ requests, text: Buffer.concat(chunks).toString() })
    })
  })
}

/** Makes one request by Node's client over connections that are used again, and breaks some off. */
export function attackHttp(random: Random, visitor: Visitor, port: number, agent: Agent): Promise<Outcome> {
  const { method, path, headers, body } = craft(random, visitor)
  const patience = random.below(LONGEST_MS)
  const isBrokenOff = random.chance(0.3)
  return new Promise((resolve) => {
    let text = ''
    const done = () => resolve({ requests: 1, text })
    try {
      const named = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))
      const outgoing = request({ port, host: '127.0.0.1', method, path, agent, headers: named })
      const timer = setTimeout(() => outgoing.destroy(), isBrokenOff ? patience : LONGEST_MS)
      outgoing.on('response', (response) => {
        text += `HTTP/1.1 ${response.statusCode}\n`
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', () => {})
      })
      outgoing.on('upgrade', (_response, socket) => socket.destroy())
      outgoing.on('connect', (_response, socket) => socket.destroy())
      outgoing.on('error', () => {})
      outgoing.once('close', () => {
        clearTimeout(timer)
        done()
      })
      outgoing.end(method === 'GET' || method === 'HEAD' ? undefined : body)
    } catch {
      // Node's client refuses some methods, addresses and headers by itself.
      done()
    }
  })
}
