import type { Id, Json } from '../../lib/model/document.ts'
import type { Sink } from '../../lib/server/delivery/sink.ts'
import type { Server } from '../../lib/server/index.ts'
import { until } from './local.ts'
import { ModelReader } from './model-reader.ts'
import { eventReceiver } from './receiver.ts'

/** A client of team `a` that can go away, and come back with its position. */
export class Visitor extends ModelReader implements Sink {
  /** All that it was sent. */
  text = ''
  ready = false
  resets = 0
  #token: string | undefined
  #position: string | undefined
  #close: () => void = () => {}

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
      this.take(name, data)
      if (name === 'reset') {
        this.resets++
        this.ready = false
      }
      if (name === 'ready') this.ready = true
    },
    (error) => {
      throw error
    },
  )
}
