import type { Document, Json, Model } from '../../../model/document.ts'
import { isObject, type JsonObject } from '../../../model/json.ts'
import type { WatchEntry } from '../../../protocol/watched-root.ts'
import { watchedRoot } from '../../../protocol/watched-root.ts'
import { check, checkEqual, Skip } from '../case.ts'
import { type Answered, type Asked, ask, send } from './http.ts'
import { ServerStream } from './stream.ts'

/** Where the server under test is. */
export interface Target {
  url: string
  fixture: string
  timeout: number
  /** The roots that the server lacks, as soon as a case has asked. */
  missing?: Promise<readonly string[]>
}

/** A change of a collection, as the fixture takes it. */
export type Write =
  | { collection: string; insert: Document }
  | { collection: string; id: string; set: JsonObject }
  | { collection: string; id: string; remove: true }

/** Describes the request of a stream. */
export interface Opened {
  /** Default: the token of the last handshake. */
  token?: string
  position?: string
  watch?: WatchEntry[]
  held?: WatchEntry[]
  reached?: string[]
  /** The documents that the client has already. */
  model?: Model
  /** The address of the server. Default: that of the server under test. */
  at?: string
}

/** The time before the end of a token from which on another one is presented, in milliseconds. */
const MARGIN_MS = 2_500

let users = 0
/** Differs between runs, so that a fixture with a lasting store needs no reset. */
const RUN = Math.random().toString(36).slice(2, 8)

/** Lets a case talk to the server under test, as a user of its own. */
export class ServerScene {
  /** The user of the case. */
  readonly user = `u${RUN}${++users}`
  readonly target: Target
  /** The token of the last handshake or event `session`. */
  token = ''
  /** When the token ends, in milliseconds since the epoch. */
  #expires = Number.POSITIVE_INFINITY
  readonly #streams: ServerStream[] = []

  constructor(target: Target) {
    this.target = target
  }

  /** The address of a route of the protocol. */
  route(name: string): string {
    return `${this.target.url}/${name}`
  }

  /**
   * Returns the address of another server of the fixture, at the same origin.
   *
   * @throws Skip where there is none
   */
  async other(name: 'open' | 'second'): Promise<string> {
    const url = new URL(`/${name}/particle`, this.target.url).href
    const { status } = await this.ask(`${url}/handshake`, { body: { identity: null, carrier: 'header' } })
    if (status === 404) throw new Skip(`there is no server at ${url}`)
    return url
  }

  /** @throws Skip where the server lacks one of these roots */
  async needs(...roots: string[]): Promise<void> {
    this.target.missing ??= missingRoots(this.target)
    const missing = await this.target.missing
    const root = roots.find((each) => missing.includes(each))
    if (root !== undefined) throw new Skip(`the server has no root ${root}`)
  }

  /** An id of a document that no other case has. */
  id(name: string | number): string {
    return `${this.user}-${name}`
  }

  /** A task of the user, as the collection has it. */
  task(name: string | number, fields: JsonObject = {}): Document {
    return { _id: this.id(name), owner: this.user, secret: `secret of ${this.id(name)}`, ...fields }
  }

  /** The name of a room of the user, and its root. */
  room(name: string, user = this.user): { room: string; root: string } {
    const room = `${user}/${name}`
    return { room, root: watchedRoot('messages', { room }) }
  }

  /** Makes a request of any form. */
  async ask(url: string, asked: Asked = {}): Promise<Answered> {
    return await ask(url, asked, this.target.timeout)
  }

  /** Makes a handshake with a body. */
  async shake(body: JsonObject): Promise<Answered> {
    return await this.ask(this.route('handshake'), { body })
  }

  /** Makes a handshake that must succeed, and keeps its token. */
  async login(more: JsonObject = {}): Promise<JsonObject> {
    const { status, body } = await this.shake({ identity: { user: this.user }, carrier: 'header', ...more })
    checkEqual(status, 200, 'the status of a handshake')
    this.renew(String(body.token), String(body.expiresAt))
    return body
  }

  /** Takes another token in place of the last one. */
  renew(token: string, expiresAt: string): void {
    this.token = token
    this.#expires = Date.parse(expiresAt)
  }

  /** Opens a stream, without waiting for its events. */
  async open({ token, model, position, at, ...rest }: Opened = {}): Promise<ServerStream> {
    const presented = token ?? (await this.#present())
    const headers = {
      ...(presented === '' ? {} : { Authorization: `Bearer ${presented}` }),
      ...(position === undefined ? {} : { 'Last-Event-ID': position }),
    }
    const query = [
      ...Object.entries({ watch: rest.watch, held: rest.held }).flatMap(([name, list]) =>
        list ? [`${name}=${encodeURIComponent(JSON.stringify(list))}`] : [],
      ),
      ...(rest.reached ?? []).map((each) => `reached=${encodeURIComponent(each)}`),
    ].join('&')
    return await this.openAt(`${at ?? this.target.url}/stream${query && `?${query}`}`, { headers }, model)
  }

  /** Opens a stream by a request of any form. */
  async openAt(url: string, asked: Asked, model?: Model): Promise<ServerStream> {
    const { timeout } = this.target
    const { request, response } = await send(url, asked, timeout)
    const stream = new ServerStream(request, response, timeout, model)
    this.#streams.push(stream)
    return stream
  }

  /** Opens a stream, and waits for `ready`. */
  async ready(opened: Opened = {}): Promise<ServerStream> {
    const stream = await this.open(opened)
    checkEqual(stream.status, 200, 'the status of a stream')
    await stream.next('ready')
    return stream
  }

  /** Makes a handshake, opens a stream, and waits for `ready`. */
  async connect(opened: Opened = {}): Promise<ServerStream> {
    await this.login()
    return await this.ready(opened)
  }

  /** Posts to a route of the protocol, with the token of the last handshake. */
  async post(route: string, body: JsonObject): Promise<Answered> {
    const headers = { Authorization: `Bearer ${await this.#present()}` }
    return await this.ask(this.route(route), { body, headers })
  }

  /** Makes changes in one transaction. Returns the position of the write, if the server has one. */
  async write(...writes: Write[]): Promise<string | undefined> {
    const { position } = await this.#control('write', { writes: writes as unknown as Json })
    return typeof position === 'string' ? position : undefined
  }

  /** Adds a task of the user, `mine`, and a task of another user, `theirs`. */
  async writeTwo(other: string): Promise<void> {
    await this.write({ collection: 'tasks', insert: this.task(1, { title: 'mine' }) })
    await this.write({ collection: 'tasks', insert: { ...this.task(2, { title: 'theirs' }), owner: other } })
  }

  /** Makes changes. Returns the position of the write, or skips the case where the server has none. */
  async position(...writes: Write[]): Promise<string> {
    const position = await this.write(...writes)
    if (position === undefined) throw new Skip('the fixture gives no position of a write')
    return position
  }

  /** Sets the users whose tasks and rooms the user may see. */
  async rights(sees: string[], more: JsonObject = {}): Promise<void> {
    await this.#control('rights', { user: this.user, sees, ...more })
  }

  /** Ends the streams and the tokens of the user. */
  async revoke(): Promise<JsonObject> {
    return await this.#control('revoke', { user: this.user })
  }

  close(): void {
    for (const stream of this.#streams) stream.close()
  }

  /** Returns the token. Renews one that ends soon, since a busy machine may take longer than it is valid. */
  async #present(): Promise<string> {
    if (Date.now() > this.#expires - MARGIN_MS) await this.login({ previous: this.token })
    return this.token
  }

  async #control(route: string, body: JsonObject): Promise<JsonObject> {
    const url = `${this.target.fixture}/${route}`
    const answer = await this.ask(url, { body })
    if (answer.status === 404) throw new Skip(`the fixture has no route ${url}`)
    check(answer.status === 200, `the fixture answers ${url} with ${answer.status}: ${answer.text}`)
    return answer.body
  }
}

/**
 * Lists the roots that the fixture leaves out, by the answer to a user who may see all of them. Lists none
 * where there is no such answer: the cases then tell what is wrong.
 */
async function missingRoots(target: Target): Promise<readonly string[]> {
  const scene = new ServerScene(target)
  const { root } = scene.room('probe')
  try {
    const stream = await scene.connect({ watch: [root] })
    const { sources } = (await stream.next('manifest')).data
    const isUnknown = stream
      .of('error')
      .some(({ data }) => data.root === root && data.code === 'INVALID_PARAMS')
    return [
      ...['accounts', 'savings', 'top'].filter((name) => !Object.hasOwn(sources, name)),
      ...(isUnknown ? ['messages'] : []),
    ]
  } catch {
    return []
  } finally {
    scene.close()
  }
}

/** Checks that an answer is a refusal of the protocol's own form, with this status. */
export function checkRefusal({ status, headers, body, text }: Answered, expected: number): void {
  checkEqual(status, expected, 'the status')
  check(/^application\/json\b/.test(headers['content-type'] ?? ''), 'a refusal has the type application/json')
  const { error } = body
  const isError = isObject(error) && typeof error.code === 'string' && typeof error.message === 'string'
  check(isError, `a refusal is { error: { code, message } }, and not ${text}`)
}
