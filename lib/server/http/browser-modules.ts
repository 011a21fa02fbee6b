import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { ParticleError } from '../../errors.ts'
import { refuseOption } from '../../model/unknown.ts'
import { isAccepted } from './encodings.ts'

/** The file with all modules. The address stands here as a whole, so that webpack takes the file along. */
const FILE = new URL('../../../dist/browser/modules.json', import.meta.url)
/** Matches the address of a module below the path: `/client.js` or, with the hash, `/<hash>/client.js`. */
const ADDRESS = /^(?:\/([\da-f]{16}))?\/(client(?:\/[a-z]+)?\.js)$/

/** Lists the encodings of a module in the order of preference. */
const ENCODINGS = ['br', 'gzip', 'identity'] as const

type Encoding = (typeof ENCODINGS)[number]

/** Holds the browser's modules. */
interface BrowserModules {
  /** The hash of all modules. They share it, so that a module finds the others beside it. */
  readonly hash: string
  readonly modules: ReadonlyMap<string, Readonly<Record<Encoding, Buffer>>>
}

/** Names a module that a request asks for. */
interface ModuleAddress {
  readonly hash: string | undefined
  readonly name: string
}

/** Describes a request for a module, with its response. */
interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

let loaded: BrowserModules | undefined

/** Reads the address of a module. Returns undefined for another address. */
export function moduleAddress(below: string): ModuleAddress | undefined {
  const [, hash, name] = ADDRESS.exec(below) ?? []
  return name === undefined ? undefined : { hash, name }
}

/**
 * Returns the import map of the browser's modules. The addresses hold a hash of the modules, so that a
 * browser caches them for ever: `<script type="importmap">` with its JSON lets a page import
 * `particle/client`.
 *
 * @param path the address of Particle as the browser sees it, with the mount point
 * @throws ParticleError `INVALID_OPTION` for another path; `UNAVAILABLE` when the modules are missing, as in
 *   a bundled server
 */
export function importMap(path = '/particle'): { imports: Record<string, string> } {
  if (typeof path !== 'string' || !/^(?:\/|https?:\/\/)/.test(path))
    refuseOption('importMap(path): path begins with a slash, as "/particle" does')
  const { hash, modules } = browserModules()
  const base = path.replace(/\/+$/, '')
  return {
    imports: Object.fromEntries(
      [...modules.keys()].map((name) => [`particle/${name.replace(/\.js$/, '')}`, `${base}/${hash}/${name}`]),
    ),
  }
}

/** Answers with a module. Returns false where there is none of this name. */
export function serveModule({ request, response }: Asked, { hash, name }: ModuleAddress): boolean {
  const current = browserModules()
  const forms = current.modules.get(name)
  if (!forms) return false
  const accepted = request.headers['accept-encoding']
  const encoding = ENCODINGS.find((each) => isAccepted(accepted, each)) ?? 'identity'
  const etag = `"${current.hash}-${encoding}"`
  response.appendHeader('Vary', 'Accept-Encoding')
  response.setHeader('ETag', etag)
  // During a deploy, a page of one version may ask a node of another one. The answer must not be kept as the
  // other version's.
  const isKept = hash === current.hash
  // Keeps the answer from shared caches, since a session middleware may add a cookie for this browser alone.
  response.setHeader('Cache-Control', isKept ? 'private, max-age=31536000, immutable' : 'no-cache')
  if (isKnown(request.headers['if-none-match'], etag)) {
    response.writeHead(304).end()
    return true
  }
  const bytes = forms[encoding]
  if (encoding !== 'identity') response.setHeader('Content-Encoding', encoding)
  response.writeHead(200, {
    'Content-Type': 'text/javascript; charset=utf-8',
    'Content-Length': bytes.length,
  })
  response.end(request.method === 'HEAD' ? undefined : bytes)
  return true
}

function browserModules(): BrowserModules {
  if (loaded) return loaded
  try {
    const { hash, modules } = JSON.parse(readFileSync(FILE, 'utf8'))
    loaded = { hash, modules: new Map(Object.entries<{ br: string; gzip: string }>(modules).map(decoded)) }
    return loaded
  } catch (cause) {
    throw new ParticleError(
      'UNAVAILABLE',
      'The modules for browsers are missing: leave Particle out of a bundle of the server.',
      { cause },
    )
  }
}

/** Decodes a module from base64. */
function decoded([name, form]: [string, { br: string; gzip: string }]): [string, Record<Encoding, Buffer>] {
  const gzip = Buffer.from(form.gzip, 'base64')
  return [name, { br: Buffer.from(form.br, 'base64'), gzip, identity: gunzipSync(gzip) }]
}

/** Compares tags weakly (RFC 9110, 13.1.2), since a compressing proxy makes tags weak. */
function isKnown(tags: string | undefined, etag: string): boolean {
  return (tags ?? '').split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()))
}
