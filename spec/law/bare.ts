import { ParticleError } from '../../lib/errors.ts'
import { applyDelta } from '../../lib/model/delta.ts'
import type { Document, Model } from '../../lib/model/document.ts'
import type { ServerEvent } from '../../lib/protocol/messages.ts'
import { Line } from './line.ts'
import { Participant, type Presenting } from './participant.ts'

/**
 * What a browser's own EventSource and a few lines of script make of a stream: it knows its token and its last id, sends that back by itself, and
 * believes every event.
 */
export class BareClient extends Participant {
  readonly model: Model = {}
  over = false
  protected complete = false
  #token: string | undefined
  #last = ''
  /** Whether a request of it is not over yet; a second one beside it would be another client's. */
  #coming = false
  /** The roots that are being loaded, and what has come of them. */
  readonly #loading = new Map<string, Document[]>()

  back(at: number): void {
    if (!this.away || this.#coming) return
    this.at = at
    void this.#come(undefined)
  }

  identify(user: string, at: number, { keep, previous }: Presenting): void {
    if (this.#coming || this.over) return
    this.sever()
    this.user = user
    this.at = at
    const token = this.#token
    this.#token = undefined
    if (!keep) this.#last = ''
    void this.#come(previous ? token : undefined)
  }

  leave(): void {
    this.over = true
    this.sever()
  }

  protected lost(): void {
    this.complete = false
  }

  async #come(previous: string | undefined): Promise<void> {
    this.#coming = true
    this.asking = true
    this.complete = false
    this.#loading.clear()
    const line: Line = new Line({
      opened: () => {},
      lost: () => this.lost(),
      event: (name, data, id) => {
        // As the standard has it: an empty id is one, too.
        if (id !== undefined) this.#last = id
        this.heard(name, data, id)
        this.#take({ event: name, data: JSON.parse(data) } as ServerEvent)
      },
    })
    try {
      if (this.#token === undefined) {
        await this.world.turn()
        this.#token = (await this.node.grant({ user: this.user }, previous)).token
      }
      await this.connect(this.#token, this.#last, line)
      if (this.over) this.sever()
    } catch (error) {
      this.world.failed(error)
      // A token whose time is up: it must present itself again, and keeps its last id.
      if (error instanceof ParticleError && error.code === 'UNAUTHORIZED') {
        this.over = this.#token === undefined
        this.#token = undefined
      }
    } finally {
      this.#coming = false
      this.asking = false
    }
  }

  #take({ event, data }: ServerEvent): void {
    switch (event) {
      case 'manifest':
        if (!data.resumed) for (const root of Object.keys(data.sources)) this.#loading.set(root, [])
        break
      case 'reset':
        this.#loading.set(data.root, [])
        break
      case 'payload':
        this.#payload(data)
        break
      case 'delta':
        if (this.#loading.has(data.root))
          this.world.fault(`${this.name} got a delta of ${data.root} before its documents`)
        else if (!this.model[data.root])
          this.world.fault(`${this.name} got a delta of ${data.root}, which it was never given`)
        applyDelta(this.model, data)
        this.shows(event, data.root)
        break
      case 'ready':
        if (this.#loading.size > 0)
          this.world.fault(`${this.name} is ready, and still lacks ${[...this.#loading.keys()]}`)
        this.complete = true
        break
      case 'revoked':
        this.over = true
        this.sever()
    }
    if (this.#loading.size > 0) this.complete = false
  }

  #payload({
    root,
    data,
    part,
    last,
  }: {
    root: string
    data: Document[]
    part: number
    last: boolean
  }): void {
    if (part === 0) this.#loading.set(root, [])
    const documents = this.#loading.get(root) ?? []
    documents.push(...data)
    if (!last) return
    this.#loading.delete(root)
    this.model[root] = documents
    this.shows('payload', root)
  }
}
