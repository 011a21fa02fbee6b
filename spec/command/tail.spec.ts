import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { tail } from '../../lib/command/tail.ts'
import { tailTarget } from '../../lib/command/tail-target.ts'
import type { ServerOptions } from '../../lib/server/options/options.ts'
import { Server } from '../../lib/server/server.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen } from '../support/http.ts'

const BIN = join(import.meta.dirname, '..', '..', 'dist', 'command', 'main.js')
const HOSTILE = '\u001b]0;owned\u0007<b>'

/** A run of the built command, and what it has written so far. */
class Run {
  out = ''
  error = ''
  readonly child: ChildProcess
  readonly code: Promise<number | null>

  constructor(args: string[]) {
    this.child = spawn(process.execPath, [BIN, 'tail', ...args])
    this.child.stdout?.on('data', (chunk) => {
      this.out += chunk
    })
    this.child.stderr?.on('data', (chunk) => {
      this.error += chunk
    })
    this.code = new Promise((resolve) => this.child.once('close', resolve))
  }

  async shows(text: string): Promise<void> {
    await eventually(() => this.out.includes(text), `${text} in ${this.out} ${this.error}`, 15_000)
  }
}

describe('particle tail', () => {
  const store = memory()
  const users = store.collection('users')
  const runs: Run[] = []
  const cookies: (string | undefined)[] = []
  let server: Server
  let listening: Listening

  const start = async (options: Partial<ServerOptions> = {}) => {
    server = new Server({
      identityLookup: (identity, _done, request) => {
        cookies.push(request?.headers.cookie)
        return identity?.user ? identity : undefined
      },
      dataSources: {
        users: { manifest: true, collection: users },
        rooms: {
          manifest: true,
          collection: store.collection('rooms'),
          params: { room: 'number' },
          criteria: { room: ':room' },
        },
      },
      onError: () => {},
      ...options,
    } as ServerOptions)
    listening = await listen(server.middleware())
  }
  const run = (...args: string[]) => {
    const made = new Run([`${listening.url}/`, '--identity', '{"user":"ann"}', ...args])
    runs.push(made)
    return made
  }

  before(() => {
    if (!existsSync(BIN)) throw new Error('Build first: npm run build')
  })
  beforeEach(async () => {
    await users.deleteMany({})
    await store.collection('rooms').deleteMany({})
    await users.insertOne({ _id: 'u1', salary: 5000 })
    await start()
  })
  afterEach(async () => {
    for (const { child } of runs.splice(0)) child.kill('SIGKILL')
    await server.disconnect()
    await listening.close()
  })

  it('shows the status, the documents and each change in words, until Ctrl+C', async () => {
    const shown = run('--header', 'cookie: session=1')
    await shown.shows('— ready')
    expect(cookies.at(-1)).to.equal('session=1')
    await users.updateOne({ _id: 'u1' }, { $set: { salary: 6000, name: HOSTILE } })
    await shown.shows('users "u1": salary changed: 6000')
    await shown.shows('users "u1": name changed: "\\u001b]0;owned\\u0007<b>"')
    expect(shown.out).to.match(/^\d\d:\d\d:\d\d\.\d{3} {2}users has 1 document$/m)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there.
    expect(shown.out).to.not.match(/[\u0000-\u0009\u000b-\u001f]/)
    shown.child.kill('SIGINT')
    expect(await shown.code).to.equal(0)
    expect(shown.error).to.equal('')
  })

  it('writes one JSON object a line with --json, also of a watched root', async () => {
    await store.collection('rooms').insertOne({ _id: 1, room: 7 })
    const shown = run('--json', '--watch', 'rooms?{ "room": 7 }')
    await shown.shows('"rooms?{\\"room\\":7} has 1 document"')
    await shown.shows('"status":"ready"')
    await users.updateOne({ _id: 'u1' }, { $inc: { salary: 1 } })
    await shown.shows('salary changed')
    shown.child.kill('SIGTERM')
    expect(await shown.code).to.equal(0)
    const records = shown.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    for (const { time, type } of records) {
      expect(new Date(time).toISOString()).to.equal(time)
      expect(type).to.be.oneOf(['status', 'event', 'rate', 'error'])
    }
    const change = records.find(({ event }) => event === 'delta')
    expect(change).to.include({ type: 'event', root: 'users' })
    expect(change.data.oplist[0]).to.include({ id: 'u1', path: 'salary' })
  })

  it('ends quietly when the reader of the pipe has gone', async () => {
    const shown = run('--json')
    await shown.shows('"status":"ready"')
    shown.child.stdout?.destroy()
    const writes = setInterval(() => void users.updateOne({ _id: 'u1' }, { $inc: { salary: 1 } }), 20)
    expect(await shown.code).to.equal(0)
    clearInterval(writes)
    expect(shown.error).to.equal('')
  })

  it('ends with 1 when the server refuses the identity, and says so', async () => {
    const shown = run('--identity', '{}')
    expect(await shown.code).to.equal(1)
    expect(shown.out).to.include('! UNAUTHORIZED').and.include('— refused')
  })

  it('shows the rate of the changes', async () => {
    const output = new PassThrough()
    const ended = new AbortController()
    let text = ''
    output.on('data', (chunk) => {
      text += chunk
    })
    const target = tailTarget([listening.url], '{"user":"ann"}', [], [])
    const code = tail({ ...target, json: true, rateMs: 50 }, output, ended.signal)
    await eventually(() => text.includes('"type":"rate"'), 'a rate')
    expect(text).to.match(/"type":"rate","events":\d+,"operations":0,"seconds":0.05/)
    ended.abort()
    expect(await code).to.equal(0)
  })

  it('holds no lines for a slow reader, and shows all changes in the end', async () => {
    const output = new PassThrough({ highWaterMark: 1_000 })
    const ended = new AbortController()
    const target = tailTarget([listening.url], '{"user":"ann"}', [], [])
    const code = tail({ ...target, json: false }, output, ended.signal)
    await eventually(() => server.stats().roots.users?.connections === 1, 'the stream')
    let most = 0
    for (let salary = 0; salary < 300; salary++) {
      await users.updateOne({ _id: 'u1' }, { $set: { salary } })
      most = Math.max(most, output.readableLength + output.writableLength)
      await new Promise(setImmediate)
    }
    await eventually(() => server.stats().connections === 0, 'the pause')
    let text = ''
    output.on('data', (chunk) => {
      text += chunk
    })
    await eventually(() => text.includes('salary changed: 299'), 'the last change')
    expect(most).to.be.below(20_000)
    ended.abort()
    expect(await code).to.equal(0)
  })

  for (const [args, message] of [
    [[], 'tail takes one address'],
    [['http://a/', 'http://b/'], 'tail takes one address'],
    [['localhost:3000'], 'the address begins with http:// or https://'],
    [['http://me:hidden@localhost/'], 'the address holds a password'],
    [['http://a/', '--identity', '{user:1}'], '--identity is JSON'],
    [['http://a/', '--header', 'hidden'], '--header is a name and a value'],
    [['http://a/', '--watch', 'rooms'], '--watch is a source and its parameters'],
    [['http://a/', '--watch', 'rooms?{"room":{"$gt":1}}'], '--watch is a source and its parameters'],
    [['http://a/', '--jsn'], "unknown option '--jsn'"],
  ] as [string[], string][]) {
    it(`refuses ${args.join(' ') || 'no address'}`, async () => {
      const shown = new Run(args)
      expect(await shown.code).to.equal(2)
      expect(shown.error).to.include(message).and.not.include('hidden')
      expect(shown.out).to.equal('')
    })
  }
})
