import { applyDelta } from '../../lib/model/delta.ts'
import type { Document, Id, Json, Model } from '../../lib/model/document.ts'
import { eventReceiver } from '../../lib/server/delivery/receiver.ts'
import type { Sink } from '../../lib/server/delivery/sink.ts'
import type { Server } from '../../lib/server/index.ts'
import { until } from './local.ts'

/** A client of team `a` that can go away, and come back with its position. */
export class Visitor implements Sink {
  readonly model: Model = {}
  /** All that it was sent. */
  text = ''
  ready = false
  resets = 0
  #token: string | undefined
  #position: string | undefined
  #close: () => void = () => {}
  readonly #parts: Document[] = []

  async come(server: Server, identity: Json = { team: 'a' }): Promise<this> {
    this.ready = false
    this.#token ??= (await server.grant(identity, undefined, undefined)).token
    const stop = await server.openStream(this.#token, [], { position: this.#position, open: () => this })
    this.#close = stop ?? (() => {})
    await until(() => this.ready, 'ready')
    return this
  }
  go(): void {
    this.#close()
  }
  get ids(): Id[] {
    return (this.model.users ?? []).map(({ _id }) => _id ?? null)
  }
  write(bytes: Buffer): boolean {
    this.text += bytes.toString()
    this.#receive(bytes.toString())
    return true
  }
  buffered(): number {
    return 0
  }
  onDrain(listener: () => void): void {
    setImmediate(listener)
  }
  end(): void {}

  readonly #receive = eventReceiver(
    (name, data, id) => {
      if (id !== undefined) this.#position = id
      if (name === 'delta') applyDelta(this.model, data as never)
      if (name === 'reset') {
        this.resets++
        this.ready = false
      }
      if (name === 'ready') this.ready = true
      if (name !== 'payload') return
      const part = data as { root: string; data: Document[]; part: number; last: boolean }
      if (part.part === 0) this.#parts.length = 0
      this.#parts.push(...part.data)
      if (part.last) this.model[part.root] = [...this.#parts]
    },
    (error) => {
      throw error
    },
  )
}
