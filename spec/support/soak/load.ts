import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { Client } from '../../../lib/client/client.ts'
import type { Stats } from '../../../lib/server/index.ts'
import { bundled } from '../bundled.ts'
import { Writer } from '../cluster/writer.ts'
import { openStream } from '../sse.ts'
import type { Holdings } from './measure.ts'
import type { Order } from './server.ts'

/** What the server held on to, and what went wrong. */
export interface Account extends Holdings {
  /** Cursors on the database. */
  cursors: number
  /** Callback sources that were not stopped. */
  tickers: number
  stats: Stats
  errors: string[]
}

/** What a soak found. */
export interface Soaked {
  /** After the warm-up, and after the load: with no client there. */
  before: Account
  after: Account
  /** Amid the load, to show that the accounts tell of what is there. */
  during: Account
  /** What came and went. */
  visitors: { clients: number; ready: number; refused: number; slow: number; rude: number; written: number }
}

const PROGRAM = join(import.meta.dirname, 'server.ts')
const TEAMS = Array.from({ length: 10 }, (_, index) => `t${index}`)
const CLIENTS = 40
const SLOW = 8
const WARM_UP_S = 10
const PATIENCE_MS = 180_000
/** Longer than what is kept for clients that come back, and Node's idle connections (5 s), live. */
const SETTLE_MS = 7000

type Enough = (visitors: Soaked['visitors']) => boolean

/** Soaks a server for so many seconds: clients come and go, writes pour, some read slowly, some lose their rights, some are rude. */
export class Load {
  readonly #server: ChildProcess
  readonly #url: string
  readonly #writer: Writer
  /** Those of the second half that were told before its end. */
  readonly #errors: string[] = []
  readonly #visitors: Soaked['visitors'] = { clients: 0, ready: 0, refused: 0, slow: 0, rude: 0, written: 0 }

  private constructor(server: ChildProcess, port: number, writer: Writer) {
    this.#server = server
    this.#url = `http://127.0.0.1:${port}/particle`
    this.#writer = writer
  }

  /**
   * @param mongo the URL of a MongoDB server
   * @param seconds how long the load lasts at least
   * @param enough whether enough has come and gone; on a busy machine the load lasts longer, until it has
   */
  static async soak(mongo: string, seconds: number, enough: Enough = () => true): Promise<Soaked> {
    const database = `soak${process.pid}_${Date.now()}`
    const client = new MongoClient(mongo)
    const writer = new Writer(client.db(database), TEAMS, 4711)
    await writer.fill()
    const server = fork(await bundled(PROGRAM), [mongo, database], { execArgv: ['--expose-gc'] })
    try {
      const [{ port }] = await once(server, 'message')
      const load = new Load(server, port, writer)
      await load.#run(WARM_UP_S)
      await pause(SETTLE_MS)
      const before = await load.#account()
      for (const key of Object.keys(load.#visitors) as (keyof Soaked['visitors'])[]) load.#visitors[key] = 0
      const running = load.#run(seconds, enough)
      await pause((seconds * 1000) / 2)
      const during = await load.#crowded(running)
      await running
      await pause(SETTLE_MS)
      const after = await load.#settled()
      const ended = once(server, 'exit')
      load.#order({ order: 'stop' })
      await ended
      return { before, during, after, visitors: load.#visitors }
    } finally {
      server.kill('SIGKILL')
      await client.db(database).dropDatabase()
      await client.close()
    }
  }

  #order(order: Order): void {
    this.#server.send(order)
  }

  async #account(): Promise<Account> {
    this.#order({ order: 'measure' })
    const [account] = await once(this.#server, 'message')
    return account
  }

  /** Accounts every second until nothing is open on the database. A busy machine takes long to close it, a leak stays. */
  async #settled(): Promise<Account> {
    const account = await this.#account()
    for (const end = Date.now() + PATIENCE_MS / 3; account.cursors > 0 && Date.now() < end; ) {
      await pause(1000)
      const { errors, ...next } = await this.#account()
      Object.assign(account, next)
      account.errors.push(...errors)
    }
    account.errors.unshift(...this.#errors)
    return account
  }

  /** Accounts every second until most clients are there at once; on a busy machine they may be few. */
  async #crowded(running: Promise<void>): Promise<Account> {
    let goesOn = true
    const ended = running.finally(() => {
      goesOn = false
    })
    const account = await this.#account()
    while (goesOn && account.stats.connections < CLIENTS / 2) {
      await Promise.race([pause(1000), ended])
      const { errors, ...next } = await this.#account()
      if (next.stats.connections > account.stats.connections) Object.assign(account, next)
      this.#errors.push(...errors)
    }
    return account
  }

  async #run(seconds: number, enough: Enough = () => true): Promise<void> {
    const end = Date.now() + seconds * 1000
    const goesOn = () => Date.now() < end || (!enough(this.#visitors) && Date.now() < end + PATIENCE_MS)
    const again = async (what: () => Promise<void>) => {
      while (goesOn()) await what().catch(unlessCut)
    }
    this.#order({ order: 'write' })
    const before = this.#writer.written
    await Promise.all([
      again(async () => {
        await this.#writer.write()
        await pause(50)
      }),
      again(async () => {
        await pause(2000)
        this.#order({ order: 'refresh' })
      }),
      again(async () => {
        await pause(3000)
        this.#order({ order: 'revoke', team: 't9' })
      }),
      again(() => this.#beRude()),
      ...Array.from({ length: CLIENTS }, () => again(() => this.#visit())),
      ...Array.from({ length: SLOW }, () => again(() => this.#readSlowly())),
    ])
    this.#visitors.written += this.#writer.written - before
    this.#order({ order: 'rest' })
  }

  /** A client comes, and goes after a while; some come back once more by themselves when their stream is cut. */
  async #visit(): Promise<void> {
    this.#visitors.clients++
    const client = new Client({ url: this.#url, identity: { team: someTeam() }, onError: () => {} })
    const ready = client.ready().then(
      () => this.#visitors.ready++,
      () => {},
    )
    // Some go before they have all that they came for.
    if (Math.random() < 0.7) await Promise.race([ready, pause(5000)])
    await pause(200 + Math.random() * 2500)
    if (client.status === 'refused') this.#visitors.refused++
    client.close()
    await ready
  }

  /** Stops to read for longer than its budget lasts; half of them read on before they go. */
  async #readSlowly(): Promise<void> {
    this.#visitors.slow++
    const stream = await openStream(`${this.#url}/stream`, { Authorization: `Bearer ${await this.#token()}` })
    await pause(200)
    stream.pause()
    await pause(1500 + Math.random() * 3000)
    if (Math.random() < 0.5) {
      stream.resume()
      await pause(500)
    }
    stream.close()
  }

  /** Handshakes that break off, streams that nobody may have, bodies that are none. */
  async #beRude(): Promise<void> {
    this.#visitors.rude++
    const { hostname, port } = new URL(this.#url)
    const socket = connect(Number(port), hostname).on('error', () => {})
    socket.write(
      'POST /particle/handshake HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"ide',
    )
    const refused = await fetch(`${this.#url}/stream?token=none`)
    await refused.text()
    const malformed = await fetch(`${this.#url}/handshake`, { method: 'POST', body: 'x' })
    await malformed.text()
    await this.#token()
    await pause(100)
    socket.destroy()
  }

  async #token(): Promise<string> {
    const response = await fetch(`${this.#url}/handshake`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ identity: { team: someTeam() } }),
    })
    return ((await response.json()) as { token: string }).token
  }
}

/** Lets visitors go on whose connection was closed by the server when the next request was on its way. */
function unlessCut(error: unknown): void {
  if (!(error instanceof TypeError && error.message === 'fetch failed')) throw error
}

function someTeam(): string {
  return TEAMS[Math.floor(Math.random() * TEAMS.length)] ?? ''
}
