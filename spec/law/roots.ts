import type { Document, Json } from '../../lib/model/document.ts'
import { canonical } from '../../lib/model/json.ts'
import type { Manifest } from '../../lib/policy/manifest.ts'
import { watchedRoot } from '../../lib/protocol/watched-root.ts'

/** What the application knows of a user. */
export type Identity = { user: string; team: string; kinds: string[] }

/** The two stores that a server's sources lie in, each with one adapter and one collection. */
export type StoreName = 'first' | 'second'
export const STORES: readonly StoreName[] = ['first', 'second']
export const COLLECTION = 'things'

/** How the application tells of its data by callbacks. */
export interface Telling {
  /** What names a position. */
  placed: 'payload and delta' | 'payload' | 'delta' | 'nothing'
  /** A delta holds a whole document, unless one operation says all; or the fields that are others. */
  by: 'documents' | 'fields'
  /** Positions are texts, not numbers. */
  texts?: true
  /** All changes of one write are one delta. */
  atOnce?: true
  /** `delta` returns a promise, and listens a turn later. */
  late?: true
  /** `payload` may be read from a replica that is behind, though never further than the newest listener began. */
  behind?: true
  /** `payload` is read over a while: some documents are as of the begin, and some as of the end. */
  torn?: true
}

/** Roots by name. */
export type Roots = Readonly<Record<string, Root>>

/** One root of the servers, and what the law says of it, in this spec's own words. */
export interface Root {
  store: StoreName
  manifest: Manifest
  criteria?: Record<string, unknown>
  /** Documents come in an order, and only so many of them. */
  first?: { sort: Record<string, 1 | -1>; limit?: number; compare: (a: Document, b: Document) => number }
  /** The kind that it is watched for; clients have it only while they watch it. */
  kind?: string
  /** The application's own functions, in place of a collection. */
  callbacks?: Telling
  sees: (document: Document, identity: Identity) => boolean
  /** The same for identities that see the same documents. */
  view: (identity: Identity) => string
}

/** A criteria's value matches a field that is it, and a list that holds it. */
function isOrHolds(field: Json | undefined, values: readonly string[]): boolean {
  return [field].flat().some((value) => typeof value === 'string' && values.includes(value))
}

/** Numbers come before texts. */
function byId({ _id: a }: Document, { _id: b }: Document): number {
  return typeof a === typeof b ? Number(a) - Number(b) : typeof a === 'number' ? -1 : 1
}

/** What is missing comes first. */
function byText(a: Json = '', b: Json = ''): number {
  return a === b ? 0 : `${a}` < `${b}` ? -1 : 1
}

const everyone = { sees: () => true, view: () => '' }
const ofTeam = {
  sees: (document: Document, { team }: Identity) => isOrHolds(document.team, [team]),
  view: ({ team }: Identity) => team,
}

const ofKinds = {
  sees: ({ kind }: Document, { kinds }: Identity) => isOrHolds(kind, kinds),
  view: ({ kinds }: Identity) => [...kinds].sort().join(),
}

/** The source with parameters, its window, and how far a client may open it. */
export const KINDS = 'kinds'
export const WINDOW = 2
const MAX_WINDOW = 4

/** Names the root of a kind, in a window of its own where that is longer than the source's. */
export function kindRoot(kind: string, limit = WINDOW): string {
  return watchedRoot(KINDS, { kind }) + (limit === WINDOW ? '' : `#${limit}`)
}

const manifestOfKinds: Manifest = { name: true, kind: true, n: true }

function kindOf(kind: string, limit: number): Root {
  const sort: Record<string, 1 | -1> = { n: -1 }
  return {
    store: 'first',
    manifest: manifestOfKinds,
    first: {
      sort,
      limit,
      compare: (a, b) => Number(b.n ?? -Infinity) - Number(a.n ?? -Infinity) || byId(a, b),
    },
    kind,
    sees: (document) => isOrHolds(document.kind, [kind]),
    view: () => '',
  }
}

const WATCHED: Roots = Object.fromEntries(
  ['x', 'y', 'z'].flatMap((kind) =>
    [WINDOW, 3, MAX_WINDOW].map((limit) => [kindRoot(kind, limit), kindOf(kind, limit)]),
  ),
)

/** The source with parameters, for the options of a server. */
export const KINDS_SOURCE = {
  manifest: manifestOfKinds,
  params: { kind: 'string' as const },
  criteria: { kind: ':kind' },
  allow: ({ kinds }: Identity, { kind }: { kind?: unknown }) => kinds.some((each) => each === kind),
  sort: { n: -1 as const },
  limit: WINDOW,
  maxLimit: MAX_WINDOW,
}

/** The names of the server's sources. */
export function sourcesOf(roots: Roots): string[] {
  const all = Object.entries(roots).map(([name, { kind }]) => (kind === undefined ? name : KINDS))
  return [...new Set(all)]
}

/** What a server shows of the collections of two adapters, and beside them one source of callbacks. */
export const ROOTS: Roots = {
  ...WATCHED,
  all: {
    store: 'first',
    manifest: {
      name: true,
      nick: true,
      n: true,
      tags: true,
      place: { city: true },
      todos: { title: true, done: true },
    },
    ...everyone,
  },
  team: {
    store: 'first',
    manifest: { name: true, n: true, team: true, todos: { done: true }, place: { city: true } },
    criteria: { team: '@team' },
    ...ofTeam,
  },
  listed: {
    store: 'first',
    manifest: { n: true, tags: true, kind: true, place: true },
    criteria: { kind: { $in: '@kinds' } },
    ...ofKinds,
  },
  newest: {
    store: 'first',
    manifest: { name: true, todos: { title: true } },
    first: {
      sort: { n: -1 },
      limit: 2,
      compare: (a, b) => Number(b.n ?? -Infinity) - Number(a.n ?? -Infinity) || byId(a, b),
    },
    ...everyone,
  },
  named: {
    store: 'first',
    manifest: { name: true, kind: true },
    criteria: { team: '@team' },
    first: { sort: { name: 1 }, compare: (a, b) => byText(a.name, b.name) || byId(a, b) },
    ...ofTeam,
  },
  other: {
    store: 'second',
    manifest: { name: true, n: true, place: { city: true } },
    ...everyone,
  },
  told: {
    store: 'first',
    manifest: { name: true, n: true, tags: true },
    callbacks: { placed: 'nothing', by: 'documents' },
    ...ofTeam,
    view: (identity) => canonical(identity),
  },
}

const one = (identity: Identity) => canonical(identity)
const named: Manifest = { name: true, n: true, tags: true }
const deep: Manifest = { ...named, place: { city: true }, todos: { title: true, done: true } }

/** What a server shows of an application that keeps its own data, and has its own idea of who may see which rows. */
export const CALLBACK_ROOTS: Roots = {
  told: {
    store: 'first',
    manifest: named,
    callbacks: { placed: 'nothing', by: 'documents' },
    ...ofTeam,
    view: one,
  },
  placed: {
    store: 'first',
    manifest: named,
    callbacks: { placed: 'payload and delta', by: 'documents', behind: true },
    ...ofTeam,
    view: one,
  },
  fields: {
    store: 'first',
    manifest: deep,
    callbacks: { placed: 'nothing', by: 'fields', torn: true, late: true },
    ...ofTeam,
    view: one,
  },
  listed: {
    store: 'first',
    manifest: { ...deep, kind: true },
    callbacks: { placed: 'payload and delta', by: 'fields', texts: true, atOnce: true, late: true },
    ...ofKinds,
    view: one,
  },
  halfway: {
    store: 'second',
    manifest: named,
    callbacks: { placed: 'payload', by: 'documents', atOnce: true },
    ...everyone,
    view: one,
  },
  other: {
    store: 'second',
    manifest: deep,
    callbacks: { placed: 'delta', by: 'fields', torn: true },
    ...everyone,
    view: one,
  },
}

/** A document's visible image. Written anew here, since a filter that judges itself finds nothing. */
export function imageOf(manifest: Manifest, document: Document): Json {
  return manifest === true ? (document as Json) : fieldsOf({ ...manifest, _id: true }, document as Json)
}

function fieldsOf(manifest: { [field: string]: Manifest }, value: Json): Json {
  const image: Record<string, Json> = {}
  for (const [name, inner] of Object.entries(value as Record<string, Json>)) {
    const shown = visible(manifest[name], inner)
    if (shown !== undefined) image[name] = shown
  }
  return image
}

function visible(manifest: Manifest | undefined, value: Json): Json | undefined {
  if (manifest === undefined || manifest === true) return manifest && value
  if (Array.isArray(value)) return value.map((element) => visible(manifest, element) ?? null)
  return typeof value === 'object' && value !== null ? fieldsOf(manifest, value) : undefined
}
