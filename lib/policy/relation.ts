import { ParticleError } from '../errors.ts'
import type { Document, Json } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import { field, isObject } from '../model/json.ts'
import { isPathName } from '../model/path.ts'
import { isPlain } from './query.ts'

/**
 * Refers to a collection of links: by its name in the source's adapter, or as `adapter.collection(name)` of
 * another adapter.
 */
export type LinkCollection = string | { readonly collectionName: string }

/**
 * Describes one step of a relation: from the current values to the values of another field in the documents
 * that hold a current value.
 */
export interface Step {
  readonly collection: LinkCollection
  /** The field that holds one of the current values. An array holds each of its elements. */
  readonly from: string
  /** The field with the next values. An array stands for each of its elements. */
  readonly to: string
}

/**
 * Lists, for each collection, the fields that link it to others:
 * `{ users: {}, userstuffs: { userId: 'users._id', stuffId: 'stuffs._id' }, stuffs: {} }`.
 */
export type CacheConfig = Record<string, Record<string, string>>

/** Names a field of a collection. */
interface Place {
  collection: string
  field: string
}

/** Holds the links of a `cacheConfig`, by the collection that contains them. */
export type Links = ReadonlyMap<string, ReadonlyMap<string, Place>>

/**
 * Represents the values that an identity is related to. Made by {@link related}, or from a text such as
 * `@userId|users._id>userstuffs._id>stuffs._id`. Stands in a criteria for the value of a field, or in an
 * `$in` or `$nin`.
 */
export class Relation {
  /** The path into the identity at the start, without the `@`. */
  readonly start: string
  readonly steps: readonly Step[]

  /** @internal */
  constructor(start: string, steps: readonly Step[]) {
    this.start = start
    this.steps = steps
  }

  /**
   * Adds a step through a collection: from the current values to the `to` of the documents whose `from` is
   * one of the values.
   * @param collection a name in the source's adapter (which is in `cacheConfig`, or belongs to a source), or
   *   `adapter.collection(name)`
   */
  through(collection: LinkCollection, from: string, to: string): Relation {
    return new Relation(this.start, [...this.steps, { collection, from, to }])
  }
}

/**
 * Starts a relation in the identity: `{ _id: related('@userId').through('userstuffs', 'userId', 'stuffId') }`
 * selects the documents whose `_id` is the `stuffId` of a document of `userstuffs` with the identity's
 * `userId`. An array in the identity stands for each of its elements.
 */
export function related(start: string): Relation {
  if (typeof start !== 'string' || !/^@[^@|][^|]*$/.test(start) || start.slice(1).split('.').includes(''))
    throw invalid('related()', 'takes where a relation starts in the identity, such as "@userId"')
  return new Relation(start.slice(1), [])
}

/** Checks for a text of a criteria that is a relation. */
export function isRelationText(text: string): boolean {
  return /^@[^@]/.test(text) && text.includes('|')
}

/**
 * Checks a `cacheConfig`.
 * @throws ParticleError `INVALID_OPTION`
 */
export function parseCacheConfig(value: unknown): Links {
  const refuse = (sentence: string): never => {
    throw new ParticleError('INVALID_OPTION', `cacheConfig${sentence}`)
  }
  if (!isPlain(value))
    return refuse(
      ' must name collections and the fields that link them: { teams: {}, members: { teamId: "teams._id" } }',
    )
  const names = Object.keys(value)
  const links = new Map<string, Map<string, Place>>()
  for (const [name, fields] of Object.entries(value)) {
    if (!isPlain(fields))
      return refuse(`.${name} must be an object of fields that link it, such as { userId: "users._id" }`)
    const places = new Map<string, Place>()
    for (const [own, target] of Object.entries(fields)) {
      if (!isFieldPath(own)) return refuse(`.${name} has "${own}", which is not the name of a field`)
      const place = typeof target === 'string' ? placeOf(target, names) : undefined
      if (!place)
        return refuse(
          `.${name}.${own} must be "collection.field", with a collection of cacheConfig: ${names.join(', ')}`,
        )
      places.set(own, place)
    }
    links.set(name, places)
  }
  return links
}

/**
 * Parses a relation's text: `@start|collection.field>collection.field>...`. The start is a value of the first
 * place. One field links each place to the next: a field of the next collection that links to this place, or
 * a field of this collection that links to the next. The result is the values of the last place. Reads a
 * document only for a value that the text does not have already.
 *
 * @param where the criteria's option, for messages
 * @throws ParticleError `INVALID_QUERY`
 */
export function parseRelation(text: string, links: Links, where: string): Relation {
  const refuse = (sentence: string): never => {
    throw invalid(where, `has "${text}", ${sentence}`)
  }
  const [start = '', route = '', ...rest] = text.split('|').map((part) => part.trim())
  if (rest.length > 0 || start.slice(1).split('.').includes(''))
    return refuse('which is not of the form "@start|collection.field>collection.field"')
  if (links.size === 0) return refuse('which takes a cacheConfig: the fields that link the collections')
  const places = route.split('>').map((part) => {
    const name = part.trim()
    const place = placeOf(name, [...links.keys()])
    return place ?? refuse(`where "${name}" is not "collection.field", with a collection of cacheConfig`)
  })
  const [first] = places
  if (!first || places.length < 2) return refuse('which follows no link: write the reference alone')
  for (const [index, { collection }] of places.entries()) {
    if (places.findIndex((place) => place.collection === collection) < index)
      return refuse(`which comes to ${collection} a second time: a relation must not go in a circle`)
  }
  const steps: Step[] = []
  // Tracks the known values: those of the field `from` in documents of `place`.
  let place = first
  let from = first.field
  const need = (to: string) => {
    if (to !== from) steps.push({ collection: place.collection, from, to })
  }
  for (const next of places.slice(1)) {
    const ways = waysBetween(place, next, links)
    const [way] = ways
    if (!way) return refuse(`but cacheConfig has no field that links ${nameOf(place)} and ${nameOf(next)}`)
    if (ways.length > 1) {
      return refuse(
        `but cacheConfig links ${nameOf(place)} and ${nameOf(next)} by several fields: choose the field by ` +
          `related('${start}').through(collection, from, to)`,
      )
    }
    need(way.leave)
    place = next
    from = way.enter
  }
  need(place.field)
  return new Relation(start.slice(1), steps)
}

/**
 * Checks a relation made by {@link related}.
 * @throws ParticleError `INVALID_QUERY`
 */
export function checkRelation(
  relation: Relation,
  isKnown: (collection: string) => boolean,
  where: string,
): void {
  const refuse = (sentence: string): never => {
    throw invalid(where, `has related('@${relation.start}'), ${sentence}`)
  }
  if (relation.steps.length === 0) refuse('which goes through no collection: write the reference alone')
  const seen: LinkCollection[] = []
  for (const { collection, from, to } of relation.steps) {
    const name = typeof collection === 'string' ? collection : collection?.collectionName
    if (typeof name !== 'string' || name === '')
      refuse('which goes through something that is not a collection')
    if (![from, to].every((path) => typeof path === 'string' && isFieldPath(path)))
      refuse(`which goes through ${name} by fields that are not names: through('${name}', from, to)`)
    if (typeof collection === 'string' && !isKnown(collection)) {
      refuse(
        `which goes through "${name}", a collection in neither cacheConfig nor a source: add it there, or ` +
          `give through() adapter.collection('${name}')`,
      )
    }
    if (seen.some((other) => (typeof other === 'string' ? other : other.collectionName) === name))
      refuse(`which goes through ${name} a second time: a relation must not go in a circle`)
    seen.push(collection)
  }
}

/**
 * Returns a document's values at a dotted path, by their keys. Arrays along the path and at its end stand for
 * their elements. Skips values that can't be compared.
 */
export function linkValues(document: Document, path: string): Map<string, Json> {
  const values = new Map<string, Json>()
  collect(document as Json, path.split('.'), 0, values)
  return values
}

function collect(
  value: Json | undefined,
  path: readonly string[],
  at: number,
  values: Map<string, Json>,
): void {
  if (Array.isArray(value)) {
    for (const element of value) collect(element, path, at, values)
    return
  }
  const name = path[at]
  if (name !== undefined) {
    if (isObject(value)) collect(field(value, name), path, at + 1, values)
  } else if (value !== undefined && value !== null && !holdsOperator(value)) values.set(idKey(value), value)
}

function holdsOperator(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, inner]) => name.startsWith('$') || holdsOperator(inner))
}

/**
 * Finds the links from a place to the next: the field to read in this collection's documents, and the field
 * to match in the next collection.
 */
function waysBetween(place: Place, next: Place, links: Links): { leave: string; enter: string }[] {
  const fieldsTo = (holder: Place, target: Place) =>
    [...(links.get(holder.collection) ?? [])]
      .filter(([, to]) => to.collection === target.collection && to.field === target.field)
      .map(([own]) => own)
  return [
    ...fieldsTo(next, place).map((own) => ({ leave: place.field, enter: own })),
    ...fieldsTo(place, next).map((own) => ({ leave: own, enter: next.field })),
  ]
}

/** Splits `collection.field`. The longest collection name counts, because names may contain dots. */
function placeOf(text: string, collections: readonly string[]): Place | undefined {
  const [collection] = collections
    .filter((name) => text.startsWith(`${name}.`))
    .sort((a, b) => b.length - a.length)
  if (collection === undefined) return undefined
  const path = text.slice(collection.length + 1)
  return isFieldPath(path) ? { collection, field: path } : undefined
}

function isFieldPath(path: string): boolean {
  return path.split('.').every((name) => isPathName(name) && !name.startsWith('$'))
}

function nameOf({ collection, field: path }: Place): string {
  return `${collection}.${path}`
}

function invalid(where: string, sentence: string): ParticleError {
  return new ParticleError('INVALID_QUERY', `${where} ${sentence}`)
}
