import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Json } from '../../../lib/model/document.ts'
import { Server } from '../../../lib/server/index.ts'
import { memory } from '../../../lib/source/memory/index.ts'

/** A change, as the page docs/reference/conformance.md describes it. */
type Write = {
  collection: string
  id: string
  insert?: { _id: Json }
  set?: Record<string, Json>
  remove?: true
}

/**
 * The fixture application of docs/reference/conformance.md, with Particle's own server.
 *
 * @param left the roots to leave out
 */
export function fixture(left: readonly string[] = []): { handler: RequestListener; close(): Promise<void> } {
  const stores = { bank: memory(), others: memory(), messages: memory(), scores: memory(), public: memory() }
  const storeOf = (name: string) =>
    name === 'accounts' || name === 'savings'
      ? stores.bank
      : name === 'tasks'
        ? stores.others
        : stores[name as keyof typeof stores]
  const collection = (name: string) => storeOf(name).collection(name)
  const rights = new Map<string, string[]>()
  const rootOf: Record<string, string> = { scores: 'top' }
  const settings = { heartbeat: 500, onError: () => {} }

  const options = {
    ...settings,
    secret: 'the secret of both nodes',
    identityLookup: (identity: { user?: unknown }) => {
      const user = identity?.user
      if (typeof user !== 'string' || user === '') return undefined
      return { user, sees: rights.get(user) ?? [user] }
    },
    dataSources: without(left, {
      tasks: {
        collection: collection('tasks'),
        manifest: { title: true, done: true, points: true, tags: true, place: { city: true } },
        criteria: { owner: { $in: '@sees' } },
      },
      accounts: {
        collection: collection('accounts'),
        manifest: { money: true },
        criteria: { owner: '@user' },
      },
      savings: { collection: collection('savings'), manifest: { money: true }, criteria: { owner: '@user' } },
      top: {
        collection: collection('scores'),
        manifest: { name: true, points: true },
        criteria: { owner: '@user' },
        sort: { points: -1 },
        limit: 3,
      },
      messages: {
        collection: collection('messages'),
        manifest: { room: true, text: true, at: true },
        params: { room: 'string' },
        criteria: { room: ':room' },
        allow: ({ sees }: { sees: string[] }, { room }: { room: string }) =>
          sees.some((user) => room.startsWith(`${user}/`)),
        sort: { at: 1 },
        limit: 2,
        maxLimit: 4,
      },
    }),
    sessionTtl: 6_000,
    maxBufferedBytes: 65_536,
    limits: { maxWatched: 5 },
  }
  const [server, second] = [new Server(options as never), new Server(options as never)]
  const open = new Server({
    ...settings,
    dataSources: { public: { collection: collection('public'), manifest: { text: true } } },
  })

  /** The routes below /fixture. */
  const routes: Record<string, (body: never) => Promise<object>> = {
    async write({ writes }: { writes: Write[] }) {
      const apply = ({ collection: name, id, insert, set, remove }: Write) => {
        if (insert) return collection(name).insertOne(insert)
        if (remove) return collection(name).deleteOne({ _id: id })
        return collection(name).updateOne({ _id: id }, { $set: set ?? {} })
      }
      const name = writes[0]?.collection ?? ''
      await Promise.all(storeOf(name).transact(() => writes.map(apply)))
      return { position: await server.position(rootOf[name] ?? name).catch(() => undefined) }
    },
    async rights({ user, sees, refresh = true }: { user: string; sees: string[]; refresh?: boolean }) {
      rights.set(user, sees)
      const isUser = (identity: unknown) => (identity as { user: string }).user === user
      if (refresh) await Promise.all([server.refresh(isUser), second.refresh(isUser)])
      return {}
    },
    async revoke({ user }: { user: string }) {
      return { ended: server.revoke((identity) => (identity as { user: string }).user === user) }
    },
  }

  const particle = server.middleware()
  const others = { open: open.middleware(), second: second.middleware() }
  const handler = async (request: IncomingMessage, response: ServerResponse) => {
    const [, base, name = ''] = /^\/(open|second|fixture)(?:\/(\w+))?/.exec(request.url ?? '') ?? []
    if (base === 'open' || base === 'second') {
      request.url = request.url?.slice(`/${base}`.length) ?? ''
      return others[base](request, response)
    }
    if (base === undefined) return particle(request, response)
    const route = routes[name]
    if (!route) return response.writeHead(404).end()
    let text = ''
    for await (const chunk of request) text += chunk
    const answer = await route(JSON.parse(text) as never)
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer))
  }
  return {
    handler: (request, response) => void handler(request, response),
    close: async () => {
      await Promise.all([server, second, open].map((each) => each.disconnect()))
    },
  }
}

function without<T>(left: readonly string[], sources: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(sources).filter(([root]) => !left.includes(root)))
}
