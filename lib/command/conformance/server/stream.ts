import type { ClientRequest, IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { applyDelta } from '../../../model/delta.ts'
import type { Document, Model } from '../../../model/document.ts'
import { decode } from '../../../protocol/decode.ts'
import type { ServerEvent } from '../../../protocol/messages.ts'
import { check, checkEqual, Mistake, shown } from '../case.ts'
import { MAX_TEXT } from './http.ts'

/** An event on the wire. `id` is there, perhaps empty, where the event has an `id:` line. */
export type StreamEvent = ServerEvent & { id?: string }

/** An event of one name. */
export type EventOf<Name extends ServerEvent['event']> = Extract<StreamEvent, { event: Name }>

const POLL_MS = 10
const BLOCK = /^(?:id:(?: ?([^\n]*))\n){0,2}event: ?([^\n]+)\ndata: ?([^\n]*)$/

/**
 * Reads a stream of the server under test, and applies its events to a model: each at once, whatever its
 * moment.
 */
export class ServerStream {
  readonly events: StreamEvent[] = []
  readonly model: Model
  readonly status: number
  /** All text of the stream. */
  text = ''
  isEnded = false
  readonly #request: ClientRequest
  readonly #response: IncomingMessage
  readonly #timeout: number
  readonly #loading = new Map<string, { documents: Document[]; parts: number; after: EventOf<'delta'>[] }>()
  #rest = ''
  #mistake: Mistake | undefined

  /** @param model what the client has already, which a resumed stream goes on from */
  constructor(request: ClientRequest, response: IncomingMessage, timeout: number, model: Model = {}) {
    this.#request = request
    this.#response = response
    this.#timeout = timeout
    this.model = structuredClone(model)
    this.status = response.statusCode ?? 0
    response.setEncoding('utf8')
    response.on('error', () => {})
    response.on('data', (text: string) => this.#take(text))
    response.on('close', () => {
      this.isEnded = true
    })
  }

  /** The last position, as a client would present it. */
  get position(): string {
    return this.events.findLast(({ id }) => id !== undefined)?.id ?? ''
  }

  /** The data of the first manifest. */
  get manifest(): EventOf<'manifest'>['data'] | undefined {
    return this.of('manifest')[0]?.data
  }

  /** The roots of all payloads, in their order. */
  get loaded(): string[] {
    return this.of('payload').map(({ data }) => data.root)
  }

  /** Lists the events of one name. */
  of<Name extends ServerEvent['event']>(name: Name): EventOf<Name>[] {
    return this.events.filter((each): each is EventOf<Name> => each.event === name)
  }

  /** Resolves to the event of one name that comes after `count` others of the name. */
  async next<Name extends ServerEvent['event']>(name: Name, count = 0): Promise<EventOf<Name>> {
    await this.until(() => this.of(name).length > count, `the event ${name} (number ${count + 1})`)
    const found = this.of(name)[count]
    check(found, `the event ${name} comes`)
    return found
  }

  /** Waits until a condition holds, which events make hold. */
  async until(condition: () => boolean, what: string, timeout = this.#timeout): Promise<void> {
    for (const deadline = performance.now() + timeout; !condition(); await delay(POLL_MS)) {
      if (this.#mistake) throw this.#mistake
      const end = this.isEnded ? 'the stream has ended' : undefined
      if (end || performance.now() > deadline)
        throw new Mistake(`${end ?? `within ${timeout} ms`}, without ${what}; it had ${this.#names()}`)
    }
    if (this.#mistake) throw this.#mistake
  }

  /** Waits until the documents of a root are these, in any order. */
  async becomes(root: string, expected: readonly Document[]): Promise<void> {
    const sorted = sortedById(expected)
    const isThere = () => shownAll(this.documents(root)) === shownAll(sorted)
    await this.until(isThere, `${root} as ${shown(sorted)}`).catch((error: Error) => {
      throw new Mistake(`${error.message}; ${root} is ${shown(this.documents(root))}`)
    })
  }

  /** Lists the documents of a root by their ids; undefined before they have arrived. */
  documents(root: string): Document[] | undefined {
    const documents = this.model[root]
    return documents && sortedById(documents)
  }

  /** Checks the documents of a root, in any order. */
  shows(root: string, expected: readonly Document[]): void {
    checkEqual(this.documents(root), sortedById(expected), `${root} of the stream`)
  }

  /** Stops reading until {@link ServerStream.resume}. */
  pause(): void {
    this.#response.pause()
  }

  resume(): void {
    this.#response.resume()
  }

  close(): void {
    this.#request.destroy()
  }

  #names(): string {
    return this.events.map(({ event }) => event).join(', ') || 'no event'
  }

  #take(text: string): void {
    this.text += text
    if (this.text.length > MAX_TEXT) {
      this.#mistake ??= new Mistake(`the stream has more than ${MAX_TEXT} characters`)
      this.close()
    }
    const blocks = (this.#rest + text).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    for (const block of blocks) {
      try {
        this.#read(block)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        this.#mistake ??= new Mistake(`the stream has what a client can't read: ${shown(block)}: ${reason}`)
      }
    }
  }

  #read(block: string): void {
    // A comment, or the field retry.
    if (/^(?::|retry: ?\d+$)/.test(block)) return
    const [, id, name = '', data = ''] = BLOCK.exec(block) ?? []
    check(name, 'an event is an optional line id:, a line event: and a line data: (E1)')
    check(name !== 'delta' || data.startsWith('['), 'the data of a delta is a list (E5)')
    const event = decode(name, data, id)
    if (!event) return
    this.events.push(event)
    this.#apply(event)
  }

  #apply(event: StreamEvent): void {
    const { model } = this
    if (event.event === 'manifest' || event.event === 'watching') {
      for (const root of Object.keys(model)) if (!Object.hasOwn(event.data.sources, root)) delete model[root]
    } else if (event.event === 'payload') {
      const { root, data, part, last } = event.data
      const before = this.#loading.get(root)
      const loading = part > 0 && before ? before : { documents: [], parts: 0, after: before?.after ?? [] }
      checkEqual(part, loading.parts, `the number of a part of ${root} (E4)`)
      loading.parts++
      loading.documents.push(...data)
      this.#loading.set(root, loading)
      if (!last) return
      this.#loading.delete(root)
      model[root] = loading.documents
      for (const delta of loading.after) applyDelta(model, delta.data)
    } else if (event.event === 'delta') {
      const loading = this.#loading.get(event.data.root)
      if (loading) loading.after.push(event)
      else applyDelta(model, event.data)
    }
  }
}

function sortedById(documents: readonly Document[]): Document[] {
  return [...documents].sort((a, b) => (String(a._id) < String(b._id) ? -1 : 1))
}

/** Writes documents as a text that is equal for equal documents, whatever the order of their fields. */
function shownAll(documents: unknown): string {
  return JSON.stringify(documents, (_key, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort())
      : value,
  )
}
