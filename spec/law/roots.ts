import type { Document, Json } from '../../lib/model/document.ts'
import { canonical } from '../../lib/model/json.ts'
import type { Manifest } from '../../lib/policy/manifest.ts'

/** What the application knows of a user. */
export type Identity = { user: string; team: string; kinds: string[] }

/** The two stores that a server's sources lie in, each with one adapter and one collection. */
export type StoreName = 'first' | 'second'
export const STORES: readonly StoreName[] = ['first', 'second']
export const COLLECTION = 'things'

/** One root of the servers, and what the law says of it, in this spec's own words. */
export interface Root {
  store: StoreName
  manifest: Manifest
  criteria?: Record<string, unknown>
  /** The application's own functions, in place of a collection. */
  callbacks?: true
  sees: (document: Document, identity: Identity) => boolean
  /** The same for identities that see the same documents. */
  view: (identity: Identity) => string
}

/** A criteria's value matches a field that is it, and a list that holds it. */
function isOrHolds(field: Json | undefined, values: readonly string[]): boolean {
  return [field].flat().some((value) => typeof value === 'string' && values.includes(value))
}

const everyone = { sees: () => true, view: () => '' }
const ofTeam = {
  sees: (document: Document, { team }: Identity) => isOrHolds(document.team, [team]),
  view: ({ team }: Identity) => team,
}

export const ROOTS: Readonly<Record<string, Root>> = {
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
    sees: ({ kind }, { kinds }) => isOrHolds(kind, kinds),
    view: ({ kinds }) => [...kinds].sort().join(),
  },
  other: {
    store: 'second',
    manifest: { name: true, n: true, place: { city: true } },
    ...everyone,
  },
  told: {
    store: 'first',
    manifest: { name: true, n: true, tags: true },
    callbacks: true,
    ...ofTeam,
    view: (identity) => canonical(identity),
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
