import type { Server } from '../../lib/server/index.ts'
import { ModelReader } from './model-reader.ts'

interface Seen {
  name: string
  // biome-ignore lint/suspicious/noExplicitAny: specs read the fields that they expect.
  data: any
  id: string | undefined
}

/** A client of the same process, as plain as can be: it notes every event and applies what it gets. */
export class LocalClient extends ModelReader {
  readonly events: Seen[] = []
  #stop: () => void = () => {}

  static async connect(server: Server, identity: unknown = {}): Promise<LocalClient> {
    const client = new LocalClient()
    client.#stop = await server.register(identity, (name, data, id) => client.take(name, data, id))
    return client
  }

  get ready(): boolean {
    return (
      this.names.lastIndexOf('ready') >
      Math.max(this.names.lastIndexOf('reset'), this.names.lastIndexOf('manifest'))
    )
  }

  get names(): string[] {
    return this.events.map((event) => event.name)
  }

  of(name: string): Seen[] {
    return this.events.filter((event) => event.name === name)
  }

  stop(): void {
    this.#stop()
  }

  override take(name: string, data: unknown, id?: string): void {
    this.events.push({ name, data: structuredClone(data), id })
    super.take(name, data)
  }
}

/** Resolves once the condition holds; rejects, naming it, when it doesn't in time. */
export async function until(condition: () => boolean, what = String(condition), ms = 5000): Promise<void> {
  const end = Date.now() + ms
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
