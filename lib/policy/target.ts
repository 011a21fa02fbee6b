import type { Document, Json } from '../model/document.ts'
import { canonical } from '../model/json.ts'
import { checkKeys, isPathName, parsePath, positionOf } from '../model/path.ts'
import { below, isFields, type Manifest, own } from './fields.ts'

/** Describes a path and, from a source that knows them, its keys (`Operation.keys`). */
export interface Place {
  path: string
  keys?: readonly (string | number)[] | undefined
}

/** Represents one step of a path. `either` is an integer that may be a position or a name. */
export type Step =
  | { kind: 'name'; name: string }
  | { kind: 'position'; name: string }
  | { kind: 'either'; name: string }
  | { kind: 'id'; id: string }

/** Describes the end of a path in a manifest. */
export interface Target {
  /** `undefined`: hidden. */
  node: Manifest | undefined
  /** Marks a path that ends at an array's element. Not set within fully visible subtrees. */
  element: boolean
  /** A step was taken to be a position, or a name, without knowing. */
  guessed: boolean
  /**
   * Marks a path that names an array's element by `_id`, which is created if missing. Not set within fully
   * visible subtrees.
   */
  byId: boolean
  /**
   * Marks a path that the client can't follow: the client lacks the `_id`s of the elements, or a field's name
   * contains a dot.
   */
  blind: boolean
  /** The path for messages: names of the manifest, and `*` for all others, because these may be data. */
  pattern: string
}

/**
 * Splits a path into steps. `exact` is false if the path does not express its keys, so that only the keys can
 * be trusted.
 */
export function stepsOf(place: Place): { steps: Step[]; exact: boolean } {
  if (place.keys === undefined) {
    const steps = parsePath(place.path).map((segment): Step => {
      if (typeof segment !== 'string') return { kind: 'id', id: segment.id }
      return { kind: positionOf(segment) === undefined ? 'name' : 'either', name: segment }
    })
    return { steps, exact: true }
  }
  checkKeys(place.keys)
  const steps = place.keys.map((key): Step => {
    return { kind: typeof key === 'number' ? 'position' : 'name', name: String(key) }
  })
  const exact = place.keys.every((key) => isPathName(String(key)))
  return { steps, exact: exact && place.path === (place.keys.join('.') || '.') }
}

/** Returns the array's element at a step, if the step leads to one. */
export function elementAt(list: readonly Json[], step: Step): Json | undefined {
  if (step.kind === 'name') return undefined
  if (step.kind !== 'id') return list[Number(step.name)]
  return list.find((element) => isFields(element) && idText(own(element, '_id')) === step.id)
}

/** Writes an id as a path does: the type of a scalar doesn't count, as in `applyOp`. */
function idText(id: Json | undefined): string | undefined {
  if (id === undefined) return undefined
  return typeof id === 'object' && id !== null ? canonical(id) : String(id)
}

/** Limits the kept targets of a manifest, since names of fields may be data. */
const MAX_TARGETS = 1_000
const targets = new WeakMap<object, Map<string, Target>>()

/** Checks that keys are a list of names. Malformed keys, which {@link follow} refuses, are not. */
function areNames(keys: Place['keys']): boolean {
  return Array.isArray(keys) && keys.every((key) => typeof key === 'string')
}

/**
 * Follows a path through a manifest. A document, if given, distinguishes positions from names. Keeps the
 * targets of paths of names alone: updates repeat a few paths, and a kept target saves 1 µs of each.
 */
export function resolve(manifest: Manifest, place: Place, document?: Document): Target {
  const { path, keys } = place
  if (document || manifest === true || !(keys === undefined || areNames(keys)))
    return follow(manifest, place, document)
  const known = targets.get(manifest) ?? new Map<string, Target>()
  if (known.size === 0) targets.set(manifest, known)
  const name = keys ? `${path}\0${keys.join('\0')}` : path
  let target = known.get(name)
  if (!target) {
    target = follow(manifest, place)
    if (known.size >= MAX_TARGETS) known.clear()
    known.set(name, target)
  }
  return target
}

function follow(manifest: Manifest, place: Place, document?: Document): Target {
  const { steps, exact } = stepsOf(place)
  const pattern: string[] = []
  let node: Manifest | undefined = manifest
  let value: Json | undefined = document as Json | undefined
  let element = false
  let byId = false
  let blind = false
  let guessed = false
  let surely = true
  for (const [index, step] of steps.entries()) {
    if (node === true || node === undefined) break
    const inside = index > 0
    if (inside && isPosition(step, node, value, document !== undefined)) {
      if (step.kind === 'either' && document === undefined) guessed = true
      if (place.path.includes('[')) byId = true
      if (step.kind === 'id' && own(node, '_id') !== true) blind = true
      if (Array.isArray(value)) value = elementAt(value, step)
      else value = undefined
      element = true
      pattern.push('*')
      continue
    }
    if (step.kind === 'id') {
      node = undefined
      break
    }
    // Checks both readings of an integer: both lead somewhere if the manifest lists the integer as a name.
    if (inside && step.kind === 'either' && document === undefined) surely = false
    const next: Manifest | undefined = below(node, step.name, !inside)
    pattern.push(next === undefined ? '*' : step.name)
    value = isFields(value) ? own(value, step.name) : undefined
    node = next
    element = false
  }
  return {
    node,
    element,
    byId,
    // Ignores a guess for hidden positions: an unlisted name is hidden too.
    guessed: !surely || (guessed && node !== undefined),
    blind: blind || !exact,
    pattern: pattern.join('.') || '.',
  }
}

function isPosition(step: Step, node: Manifest, value: Json | undefined, known: boolean): boolean {
  if (step.kind === 'position' || step.kind === 'id') return true
  if (step.kind === 'name') return false
  return known ? Array.isArray(value) : node !== true && !Object.hasOwn(node, step.name)
}
