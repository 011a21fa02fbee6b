import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from '../../lib/index.ts'
import { type MemoryCollection, memory } from '../../lib/source/memory/index.ts'

/** A message of a room. */
export interface Message {
  _id: number
  room: number
  text: string
  at: number
}

/** The length of a room's window. */
export const SHOWN = 50

/** What every node of a chat serves: the rooms, and the last messages of each room that is watched. */
export function chatOptions(messages: MemoryCollection, rooms: MemoryCollection, banned: Set<number>) {
  return {
    identityLookup: (identity: { user: string }) => identity,
    dataSources: {
      rooms: { collection: rooms, manifest: { name: true } },
      messages: {
        collection: messages,
        manifest: { room: true, text: true, at: true },
        params: { room: 'number' as const },
        criteria: { room: ':room' },
        allow: (_identity: { user: string }, { room }: { room?: unknown }) => !banned.has(Number(room)),
        sort: { at: -1 as const },
        limit: SHOWN,
        maxLimit: 200,
      },
    },
  }
}

/** A chat of rooms over one store, with nodes that a spec starts and kills. */
export class Chat {
  readonly banned = new Set<number>()
  readonly messages: MemoryCollection
  readonly rooms: MemoryCollection
  readonly nodes: { server: Server; listening: http.Server; port: number; requests: string[] }[] = []
  readonly errors: Error[] = []
  #last = 0

  constructor() {
    const store = memory()
    this.messages = store.collection('messages')
    this.rooms = store.collection('rooms')
  }

  /** Adds rooms, with so many messages each. */
  async fill(rooms: number, messages: number): Promise<void> {
    for (let room = 0; room < rooms; room++) await this.rooms.insertOne({ _id: room, name: `Room ${room}` })
    for (let n = 0; n < rooms * messages; n++) await this.say(n % rooms)
  }

  async say(room: number, text = 'Hi'): Promise<void> {
    const at = ++this.#last
    await this.messages.insertOne({ _id: at, room, text: `${text} ${at}`, at })
  }

  /** The last messages of a room, as a client must show them. */
  async last(room: number, count = SHOWN): Promise<object[]> {
    const all = (await this.messages.find({ room }).toArray()) as unknown as Message[]
    return all.sort((a, b) => b.at - a.at).slice(0, count)
  }

  /** Starts a node that serves a page too, and returns its address. */
  async start(page = ''): Promise<string> {
    const server = new Server({
      secret: 'the secret of all nodes',
      ...chatOptions(this.messages, this.rooms, this.banned),
      onError: (error) => this.errors.push(error),
    })
    const requests: string[] = []
    const handle = server.middleware()
    const listening = http.createServer((request, response) => {
      requests.push(`${request.method} ${request.url?.replace(/\?.*/, '')}`)
      if (request.url === '/') response.setHeader('Content-Type', 'text/html; charset=utf-8').end(page)
      else handle(request, response)
    })
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
    const { port } = listening.address() as AddressInfo
    this.nodes.push({ server, listening, port, requests })
    return `http://127.0.0.1:${port}/particle`
  }

  /** Ends a node without a word. */
  kill(index: number): void {
    const { listening } = this.nodes[index] as (typeof this.nodes)[number]
    listening.close()
    listening.closeAllConnections()
  }

  async stop(): Promise<void> {
    for (const [index, { server }] of this.nodes.entries()) {
      this.kill(index)
      await server.disconnect()
    }
  }
}
