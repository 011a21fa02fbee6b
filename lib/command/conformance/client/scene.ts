import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Document } from '../../../model/document.ts'
import { isObject } from '../../../model/json.ts'
import { PROTOCOL, type WireOperation } from '../../../protocol/messages.ts'
import { check, checkEqual, Mistake, shown } from '../case.ts'
import type { Answer, Driver } from './driver.ts'
import type { Exchange, Fields } from './exchange.ts'
import { ScriptedServer } from './scripted.ts'

/** The documents of each root; undefined for a root that is not sent. */
export type Roots = Record<string, Document[] | undefined>

/** Describes the driver's answer to `state`. */
export interface ClientState {
  status: string
  data: Record<string, unknown>
  errors: unknown[]
}

/** The identity that clients present. */
export const IDENTITY = { user: 'ann' }

/** A root that cases change to know that the client has taken all events before. */
const MARKER = 'marker'
const POLL_MS = 15

/** Lets a case talk to the client under test, and be the client's server. */
export class ClientScene {
  readonly server: ScriptedServer
  /** How long a case waits for each thing that it expects, in milliseconds. */
  readonly timeout: number
  readonly driver: Driver
  #url = ''
  #marks = 0

  constructor(driver: Driver, timeout: number) {
    this.driver = driver
    this.timeout = timeout
    this.server = new ScriptedServer(timeout)
  }

  async listen(): Promise<void> {
    this.#url = await this.server.listen()
  }

  async connect(): Promise<void> {
    await this.driver.send({ do: 'connect', url: this.#url, identity: IDENTITY })
  }

  /** Resolves to the client's next request for a stream. */
  stream(what = 'a stream'): Promise<Exchange> {
    return this.server.next('stream', what)
  }

  /** Connects the client, and makes it ready with these roots. Resolves to its stream. */
  async start(roots: Roots, more?: Partial<Fields<'manifest'>>): Promise<Exchange> {
    await this.connect()
    const stream = await this.stream('the first stream')
    await this.begin(stream, roots, more)
    return stream
  }

  /** Opens a stream from its manifest to `ready` (position `p1`), and waits until the client is ready. */
  async begin(stream: Exchange, roots: Roots, more?: Partial<Fields<'manifest'>>): Promise<void> {
    this.manifest(stream, roots, more)
    for (const [root, data] of Object.entries(roots)) {
      if (data) stream.send('payload', { root, data, part: 0, last: true })
    }
    stream.send('ready', {}, 'p1')
    await this.until(({ status }) => status === 'ready', 'the client is ready after the event "ready"')
  }

  /** Opens a stream by its manifest, with these roots and the marker. */
  manifest(stream: Exchange, roots: object, more: Partial<Fields<'manifest'>> = {}): void {
    stream.open()
    const sources = Object.fromEntries([...Object.keys(roots), MARKER].map((root) => [root, true as const]))
    stream.send('manifest', { protocol: PROTOCOL, resumed: false, sources, ...more })
    if (!more.resumed) stream.send('payload', { root: MARKER, data: [{ _id: 'm' }], part: 0, last: true })
  }

  /** Sends a delta of one root. */
  delta(stream: Exchange, root: string, oplist: WireOperation[], id?: string, more?: true): void {
    stream.send('delta', more ? { root, oplist, more } : { root, oplist }, id)
  }

  /** Resolves to what the client shows, once it has taken all events before. */
  async settled(stream: Exchange): Promise<ClientState> {
    const n = ++this.#marks
    this.delta(stream, MARKER, [{ operation: 'set', id: 'm', path: 'n', data: n }])
    return await this.until(
      ({ data }) => isDeepStrictEqual(data[MARKER], [{ _id: 'm', n }]),
      () => (stream.isClosed ? 'the stream stays open' : 'a delta is shown'),
    )
  }

  /** Checks what the client shows, once it has taken all events before. */
  async shows(stream: Exchange, expected: Record<string, unknown>): Promise<void> {
    const { data } = await this.settled(stream)
    for (const [root, documents] of Object.entries(expected)) checkEqual(data[root], documents, root)
  }

  /** Waits until the client shows these documents. */
  async becomes(expected: Record<string, unknown>): Promise<void> {
    const roots = Object.keys(expected)
    const isThere = ({ data }: ClientState) =>
      roots.every((root) => isDeepStrictEqual(data[root], expected[root]))
    await this.until(isThere, `the client shows ${shown(expected)}`)
  }

  /** Resolves to the state of the client as soon as it fulfils a condition. */
  async until(
    condition: (state: ClientState) => boolean,
    what: string | (() => string),
    timeout = this.timeout,
  ): Promise<ClientState> {
    for (const deadline = performance.now() + timeout; ; await delay(POLL_MS)) {
      const state = await this.state()
      if (condition(state)) return state
      if (performance.now() > deadline) {
        const sentence = typeof what === 'string' ? what : what()
        throw new Mistake(`not within ${timeout} ms: ${sentence}; the client's state is ${shown(state)}`)
      }
    }
  }

  /** Asks for the present state of the client. */
  async state(): Promise<ClientState> {
    return stateOf(await this.driver.send({ do: 'state' }))
  }

  /** Breaks a stream, and resolves to the client's next request for one. */
  async broken(stream: Exchange): Promise<Exchange> {
    stream.break()
    return await this.stream('the stream after one that was broken')
  }

  /** Waits until the client has everything up to the position of a write. */
  async reached(position: string): Promise<void> {
    const { error } = await this.driver.send({ do: 'reached', position })
    if (error !== undefined) throw new Mistake(`the client reports ${shown(error)} in place of the position`)
  }

  /** Waits until the client has closed a stream. */
  async closes(stream: Exchange): Promise<void> {
    await this.until(() => stream.isClosed, 'the client closes the old stream')
  }

  async watch(source: string, params: Record<string, unknown>): Promise<void> {
    await this.driver.send({ do: 'watch', source, params })
  }

  async unwatch(source: string, params: Record<string, unknown>): Promise<void> {
    await this.driver.send({ do: 'unwatch', source, params })
  }

  /** Ends the case: closes the client, if the driver still answers, and the server. */
  async close(): Promise<void> {
    try {
      if (!this.driver.isOver) await this.driver.send({ do: 'close' })
    } finally {
      await this.server.close()
    }
  }
}

function stateOf({ status, data, errors = [] }: Answer): ClientState {
  check(typeof status === 'string', `the driver's state has a status, and not ${shown(status)}`)
  check(isObject(data), `the driver's state has data by root, and not ${shown(data)}`)
  check(Array.isArray(errors), `the driver's state has a list of errors, and not ${shown(errors)}`)
  return { status, data, errors }
}
