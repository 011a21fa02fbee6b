import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import compression from 'compression'
import cors, { type CorsOptions } from 'cors'
import express, { type Express } from 'express'
import type { Store } from 'express-session'
import express4 from 'express4'
import helmet, { type HelmetOptions } from 'helmet'
import morgan from 'morgan'
import { type CollectionHandle, type Criteria, Server, type ServerOptions } from '../../../lib/index.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { type Known, type LoginKind, makeLogin, type Users } from './logins.ts'
import { PAGE, script } from './page.ts'

/** A note of the site, which its owner alone may see. */
export interface Note {
  _id: string
  owner: string
  text: string
}

/** Where notes are kept, and how the application writes them. */
export interface Notes {
  collection: CollectionHandle<Note>
  insert(note: Note): Promise<unknown>
  insertMany(notes: Note[]): Promise<unknown>
  /** Writes the text of all notes of an owner at once. */
  rewrite(owner: string, text: string): Promise<unknown>
}

/** How an application differs from the usual one. */
export interface AppOptions {
  express?: 4 | 5
  login?: LoginKind
  notes?: Notes
  users?: Users
  /** Where express-session keeps its sessions, for applications that share it. */
  store?: Store
  /** The path that the application is mounted at, as `/shop`. Default: none. */
  mount?: string
  /**
   * The path that the links and the client begin with. Default: `mount`; another one where a proxy strips a
   * prefix.
   */
  base?: string
  /** What express takes as `trust proxy`; the cookies of the login are then `Secure`. */
  trustProxy?: boolean
  /** Options of cors. Default: none, which lets all pages in, without their cookies. */
  cors?: CorsOptions
  /** Options of helmet. Default: none, which is all of its headers. */
  helmet?: HelmetOptions
  port?: number
  /** What the application's lookup makes of who is logged in. Default: just that. */
  lookup?(known: Known): unknown
  /** Told of each lookup, and of the request it got. */
  onLookup?(request: IncomingMessage | undefined): void
  /** Which notes a user may see. Default: the own ones. */
  criteria?: Criteria
  /** Further options of Particle's server. */
  particle?: Partial<ServerOptions>
  /** What the page gives to `new Client()`, as the text of an object. Default: only its `url`. */
  client?: string
  /** Adds routes of its own before the site's. */
  before?(app: Express): void
}

/** A site that runs in this process. */
export interface App {
  /** The address of its first page. */
  url: string
  port: number
  server: Server
  notes: Notes
  /** Every line that morgan has written. */
  log: string[]
  /** The longest Cookie header that a request came with, in bytes. */
  longestCookie(): number
  /**
   * Stops listening, as a deploy does: `first` tells which of the two ends first. After so many milliseconds
   * (default 5000) it cuts the connections that are left, as those that a browser opened in advance.
   */
  stop(first?: 'disconnect' | 'close', cutAfter?: number): Promise<void>
}

/** The users and their passwords. */
export const PASSWORDS = new Map(['ann', 'ben', 'cleo'].map((name) => [name, `${name}-secret`]))

/** Three users with a password each, in memory. */
export const USERS: Users = {
  find: async (name) => {
    const password = PASSWORDS.get(name)
    return password === undefined ? null : { name, password }
  },
}

/** Notes in memory: of each user `<name> 1` and `<name> 2`. */
export async function notesInMemory(): Promise<Notes> {
  const collection = memory().collection<Note>('notes')
  const notes: Notes = {
    collection,
    insert: (note) => collection.insertOne(note),
    insertMany: (many) => collection.insertMany(many),
    rewrite: (owner, text) => collection.updateMany({ owner }, { $set: { text } }),
  }
  await fill(notes)
  return notes
}

/** Gives each user two notes. */
export async function fill(notes: Notes): Promise<void> {
  for (const owner of PASSWORDS.keys())
    for (const number of [1, 2])
      await notes.insert({ _id: `${owner}${number}`, owner, text: `${owner} ${number}` })
}

/** Starts a site of pages with notes: an Express application as its authors would write it. */
export async function startApp(options: AppOptions = {}): Promise<App> {
  const { login: kind = 'passport', users = USERS, mount = '', trustProxy = false, store } = options
  const base = options.base ?? mount
  const notes = options.notes ?? (await notesInMemory())
  const make = options.express === 4 ? express4 : express
  const log: string[] = []
  let longest = 0
  const app = make()
  if (trustProxy) app.set('trust proxy', true)
  app.use((request, _response, next) => {
    longest = Math.max(longest, request.headers.cookie?.length ?? 0)
    next()
  })
  app.use(morgan('tiny', { stream: { write: (line) => log.push(line.trim()) } }))
  app.use(helmet(options.helmet))
  app.use(cors(options.cors))
  app.use(compression())
  options.before?.(app)
  const secret = 'the secret of the site, not of Particle'
  const login = makeLogin(kind, { users, store, secret, secure: trustProxy })
  login.install(app)

  const server = new Server({
    identityLookup: (_identity, _done, request) => {
      options.onLookup?.(request)
      // Throws where there is no request, as such lookups do.
      const known = login.lookup(request as IncomingMessage)
      return known && options.lookup ? options.lookup(known) : known
    },
    dataSources: {
      notes: {
        collection: notes.collection,
        manifest: { owner: true, text: true },
        criteria: options.criteria ?? { owner: '@user' },
      },
    },
    ...options.particle,
  })
  app.use(server.middleware())

  app.use(make.urlencoded({ extended: false }))
  app.get('/app.js', (_request, response) => void response.type('js').send(script(base, options.client)))
  app.post('/login', login.login, (_request, response) => response.redirect(`${base}/`))
  app.post('/logout', async (request, response) => {
    const known = await login.logout(request, response)
    server.revoke((identity: { user: string; login?: string }) =>
      known?.login ? identity.login === known.login : identity.user === known?.user,
    )
    response.redirect(`${base}/`)
  })
  app.get(['/', '/pages/:number'], (request, response) => {
    const user = login.lookup(request)?.user ?? ''
    response.send(PAGE({ user, base, number: Number(request.params.number ?? 1) }))
  })

  const http = createServer(mount ? make().use(mount, app) : app)
  await new Promise<void>((resolve) => http.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const close = () => new Promise<void>((resolve) => http.close(() => resolve()))
  return {
    url: `http://127.0.0.1:${port}${mount}/`,
    port,
    server,
    notes,
    log,
    longestCookie: () => longest,
    stop: async (first = 'disconnect', cutAfter = 5000) => {
      const ends = first === 'disconnect' ? [server.disconnect(), close()] : [close(), server.disconnect()]
      setTimeout(() => http.closeAllConnections(), cutAfter).unref()
      await Promise.all(ends)
    },
  }
}
