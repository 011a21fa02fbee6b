import { ParticleError } from '../../lib/errors.ts'
import { applyDelta } from '../../lib/model/delta.ts'
import type { Document, Model } from '../../lib/model/document.ts'
import { parseData } from '../../lib/protocol/decode.ts'
import type { ServerEvent } from '../../lib/protocol/messages.ts'
import { Line } from './line.ts'
import { Participant, type Presenting } from './participant.ts'
import { kindRoot } from './roots.ts'
import { WatchList } from './watch-list.ts'

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
  readonly #list = new WatchList()
  #posting = false
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

  override get busy(): boolean {
    return super.busy || this.#posting
  }

  override get watched(): Participant['watched'] {
    const { here, wanted } = this.#list
    return {
      here: here.map(([root, limit]) => kindRoot(root, limit)),
      wanted: wanted.map(([root, limit]) => kindRoot(root, limit)),
    }
  }

  override watch(kind: string, limit: number | undefined): void {
    this.#list.want(kind, limit)
    void this.#post()
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
        this.#take({ event: name, data: parseData(name, data) } as ServerEvent)
      },
    })
    try {
      if (this.#token === undefined) {
        await this.world.turn()
        this.#token = (await this.node.grant({ user: this.user }, previous)).token
      }
      const watching = this.#list.present()
      // A position does not help with a root whose documents were dropped since.
      if (this.#list.again.some((root) => !this.model[root])) this.#last = ''
      await this.connect(this.#token, this.#last, line, watching)
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
    void this.#post()
  }

  /** Tells the node what it watches by now, in one request at a time. Comes back to where its stream is not known. */
  async #post(): Promise<void> {
    if (this.#posting || this.#coming || !this.up || this.#token === undefined) return
    const change = this.#list.change()
    if (!change) return
    this.#posting = true
    const { line } = this
    try {
      await this.world.turn()
      const refused = await this.node.watch(this.#token, change.add, change.remove)
      if (line === this.line) this.#list.answered(refused?.map(({ root }) => root) ?? [])
      this.world.count(refused ? 'watched here' : 'watched elsewhere')
      if (!refused && line === this.line) this.sever()
    } catch (error) {
      this.world.failed(error)
      if (line === this.line) this.sever()
    } finally {
      this.#posting = false
    }
    if (this.up) void this.#post()
  }

  #take({ event, data }: ServerEvent): void {
    switch (event) {
      case 'manifest':
        this.#list.begun(Object.keys(data.sources))
        this.#keep(Object.keys(data.sources))
        for (const root of Object.keys(data.sources))
          if (!data.resumed || !this.model[root]) this.#loading.set(root, [])
        break
      case 'watching':
        this.#list.told(data.watch)
        this.#keep(Object.keys(data.sources))
        for (const root of Object.keys(data.sources)) if (!this.model[root]) this.#loading.set(root, [])
        break
      case 'error':
        if (data.code === 'FORBIDDEN' && data.root) this.#list.refused(data.root)
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
        this.#list.ready()
        break
      case 'revoked':
        this.over = true
        this.sever()
    }
    if (this.#loading.size > 0) this.complete = false
  }

  /** Drops the roots that it does not watch. */
  #keep(roots: readonly string[]): void {
    for (const root of Object.keys(this.model)) if (!roots.includes(root)) delete this.model[root]
    for (const root of [...this.#loading.keys()]) if (!roots.includes(root)) this.#loading.delete(root)
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
