import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import vue from '@vitejs/plugin-vue'
import { build, type Plugin, type PluginOption } from 'vite'
import solid from 'vite-plugin-solid'
import { type InitialModel, Server, toScript } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { type Listening, listen } from '../support/http.ts'

const LIB = join(import.meta.dirname, '..', '..', 'lib')

/** Takes the package from its sources. */
const SOURCES: Plugin = {
  name: 'sources',
  enforce: 'pre',
  resolveId: (name) => (name.startsWith('particle/') ? join(LIB, name.slice(9), 'index.ts') : undefined),
}

/** The frameworks, with what Vite needs to build a page of each. */
export const FRAMEWORKS: Record<string, () => PluginOption[]> = {
  react: () => [],
  vue: () => [vue()],
  svelte: () => [svelte({ configFile: false })],
  solid: () => [solid()],
}

/** Builds a page of spec/bindings/apps by Vite. Returns its one script. */
export async function buildPage(name: string, mode = 'production'): Promise<string> {
  const root = join(import.meta.dirname, 'apps', name)
  const main = readdirSync(root).find((file) => file.startsWith('main.')) ?? ''
  const result = await build({
    root,
    mode,
    configFile: false,
    logLevel: 'error',
    plugins: [SOURCES, ...(FRAMEWORKS[name]?.() ?? [])],
    define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
    resolve: {
      conditions: mode === 'production' ? ['browser', 'module'] : ['browser', 'module', 'development'],
    },
    build: { write: false, rollupOptions: { input: join(root, main) }, modulePreload: false },
  })
  const [built] = Array.isArray(result) ? result : [result]
  if (!built || !('output' in built)) throw new Error('Vite built nothing')
  return built.output[0].code
}

export interface User {
  _id: number
  name: string
  n: number
}

/** Serves a page, users and rooms of ten messages. Room 3 is refused. */
export class Site {
  readonly users
  readonly messages
  readonly requests: string[] = []
  readonly server: Server
  #listening: Listening | undefined
  #isFilled = false

  constructor() {
    const store = memory()
    this.users = store.collection<User>('users')
    this.messages = store.collection<{ _id: number; room: number; text: string }>('messages')
    this.server = new Server({
      identityLookup: (user: unknown) => ({ user }),
      dataSources: {
        users: { collection: this.users, manifest: true },
        messages: {
          collection: this.messages,
          manifest: true,
          params: { room: 'number' },
          criteria: { room: ':room' },
          allow: (_identity, { room }) => room !== 3,
        },
      },
      onError: () => {},
    })
  }

  /** Adds the users and the messages, once. */
  async fill(users = 2000): Promise<void> {
    if (this.#isFilled) return
    this.#isFilled = true
    await this.users.insertMany(
      Array.from({ length: users }, (_, _id) => ({ _id, name: `User ${_id}`, n: 0 })),
    )
    await this.messages.insertMany(
      Array.from({ length: 30 }, (_, _id) => ({ _id, room: 1 + (_id % 3), text: `Message ${_id}` })),
    )
  }

  /** Serves a page of this script and HTML, with the model that its client begins with. */
  async start(script: string, html = '', initial?: InitialModel): Promise<string> {
    await this.fill()
    const model = initial && `<script type="application/json" id="model">${toScript(initial)}</script>`
    const handle = this.server.middleware()
    const page = `<!doctype html><meta charset="utf-8"><div id="app">${html}</div>${model ?? ''}<script type="module" src="/page.js"></script>`
    this.#listening = await listen((request, response) => {
      this.requests.push(`${request.method} ${request.url?.replace(/\?.*/, '')}`)
      if (request.url === '/') response.setHeader('Content-Type', 'text/html').end(page)
      else if (request.url === '/page.js') response.setHeader('Content-Type', 'text/javascript').end(script)
      else handle(request, response)
    })
    return this.#listening.url
  }

  async stop(): Promise<void> {
    await this.server.disconnect()
    await this.#listening?.close()
  }
}
