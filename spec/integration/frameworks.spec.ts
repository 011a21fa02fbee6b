import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import type { RequestListener } from 'node:http'
import type { Readable } from 'node:stream'
import { expect } from 'chai'
import compression from 'compression'
import connect from 'connect'
import { EventSource } from 'eventsource'
import express from 'express'
import express4 from 'express4'
import { parseData } from '../../lib/protocol/decode.ts'
import type { Handler } from '../../lib/server/server.ts'
import { Server } from '../../lib/server/server.ts'
import { type MemoryCollection, memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'

/** What is held back by a proxy's or a middleware's buffer comes never, or at the next heartbeat: far later than this (ms). */
const PROMPT = 500

/** Every way to serve the handler that the README promises. */
const FRAMEWORKS: [string, (handler: Handler) => RequestListener][] = [
  ['Express 4', (handler) => express4().use(handler)],
  [
    'Express 4 behind compression()',
    (handler) =>
      express4()
        .use(compression({ threshold: 0 }))
        .use(handler),
  ],
  ['Express 4 behind express.json()', (handler) => express4().use(express4.json()).use(handler)],
  ['Express 5', (handler) => express().use(handler)],
  [
    'Express 5 behind compression()',
    (handler) =>
      express()
        .use(compression({ threshold: 0 }))
        .use(handler),
  ],
  ['Express 5 behind express.json()', (handler) => express().use(express.json()).use(handler)],
  ['connect', (handler) => connect().use(handler)],
  [
    'connect behind compression()',
    // The types of compression are those of Express, which adds to a request what compression doesn't use.
    (handler) =>
      connect()
        .use(compression({ threshold: 0 }) as unknown as connect.HandleFunction)
        .use(handler),
  ],
  ['bare http', (handler) => handler],
]

const CURLS: [string, string[]][] = [
  ['curl -N', ['-sN']],
  ['curl -N --compressed', ['-sN', '--compressed']],
  ['curl -N --http1.0', ['-sN', '--http1.0']],
]

describe('integration/frameworks', () => {
  const hasCurl = spawnSync('curl', ['--version']).status === 0
  let users: MemoryCollection
  let open: Server
  let closed: Server
  let listening: Listening

  before(() => {
    if (!hasCurl && process.env.CI) throw new Error('There is no curl on the PATH, and CI needs one')
  })

  for (const [name, wrap] of FRAMEWORKS) {
    describe(name, () => {
      before(async () => {
        users = memory().collection('users')
        await users.insertOne({ _id: 1, email: 'ann@example.com', salary: 1000 })
        const dataSources = { users: { manifest: { email: true } as const, collection: users } }
        // One without an identity, as for curl, and one for those who come with a token.
        open = new Server({ dataSources, path: '/open' })
        closed = new Server({ dataSources, identityLookup: (identity) => identity, path: '/closed' })
        const first = open.middleware()
        const second = closed.middleware()
        const both: Handler = Object.assign(
          (...[request, response, next]: Parameters<Handler>) =>
            first(request, response, () => second(request, response, next)),
          { server: open },
        )
        listening = await listen(wrap(both))
      })

      after(async () => {
        await Promise.all([open.disconnect(), closed.disconnect()])
        await listening.close()
      })

      beforeEach(() => users.updateOne({ _id: 1 }, { $set: { email: 'ann@example.com' } }))

      it('serves the eventsource package, at once', async () => {
        const { stream, token } = await shake(`${listening.url}/closed`, { accountId: 1 })
        const came: { type: string; data: Record<string, unknown>; id: string }[] = []
        const source = new EventSource(`${listening.url}${stream}&token=${token}`)
        for (const type of ['manifest', 'payload', 'delta', 'ready'])
          source.addEventListener(type, ({ data, lastEventId: id }) =>
            came.push({ type, data: parseData(type, data), id }),
          )
        const types = () => came.map(({ type }) => type)
        try {
          await eventually(() => types().includes('ready'), 'ready')
          expect(types()).to.deep.equal(['manifest', 'payload', 'ready'])
          expect(came[0]?.data.sources).to.deep.equal({ users: { email: true } })
          expect(came[1]?.data.data).to.deep.equal([{ _id: 1, email: 'ann@example.com' }])
          expect(came[2]?.id).not.to.equal('')
          await users.updateOne({ _id: 1 }, { $set: { email: 'a@example.com', salary: 2000 } })
          await eventually(() => types().includes('delta'), 'the delta', PROMPT)
          expect(came[3]?.data.oplist).to.deep.equal([
            { operation: 'set', id: 1, path: 'email', data: 'a@example.com' },
          ])
        } finally {
          source.close()
        }
        await eventually(() => closed.stats().connections === 0, 'the release')
      })

      for (const [command, args] of CURLS) {
        it(`serves ${command}, at once`, async function () {
          if (!hasCurl) this.skip()
          const curl = new Curl([...args, `${listening.url}/open/stream`])
          try {
            await eventually(() => curl.text.includes('event: ready'), `ready after ${curl.text}`)
            expect(curl.events()).to.deep.equal(['manifest', 'payload', 'ready'])
            expect(curl.text).to.contain('"data":[{"_id":1,"email":"ann@example.com"}]')
            await users.updateOne({ _id: 1 }, { $set: { email: 'a@example.com', salary: 2000 } })
            await eventually(() => curl.text.includes('event: delta'), 'the delta', PROMPT)
            expect(curl.text).to.match(/\nid: \S+\nevent: delta\ndata: \[.*"a@example.com"\].*\]\n\n$/)
            expect(curl.text).not.to.match(/\r|salary|2000/)
            expect(curl.running).to.equal(true)
          } finally {
            await curl.stop()
          }
          await eventually(() => open.stats().connections === 0, 'the release')
        })
      }

      it('ends the stream of curl when the server disconnects', async function () {
        if (!hasCurl) this.skip()
        const curl = new Curl(['-sN', `${listening.url}/open/stream`])
        await eventually(() => curl.text.includes('event: ready'), 'ready')
        await open.disconnect()
        await eventually(() => !curl.running, 'the end')
        expect(curl.code).to.equal(0)
      })
    })
  }
})

/** A curl, and what it has printed so far. */
class Curl {
  text = ''
  code: number | null | undefined
  readonly #process: ChildProcessByStdio<null, Readable, null>
  readonly #ended: Promise<void>

  constructor(args: string[]) {
    this.#process = spawn('curl', args, { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.text += text
    })
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', (code) => {
        this.code = code
        resolve()
      })
    })
  }

  get running(): boolean {
    return this.code === undefined
  }

  /** The names of the events that have come. */
  events(): string[] {
    return [...this.text.matchAll(/^event: (.*)$/gm)].map(([, name = '']) => name)
  }

  stop(): Promise<void> {
    this.#process.kill()
    return this.#ended
  }
}
