import type { Document, Json } from '../model/document.ts'
import { canonical } from '../model/json.ts'
import { checkKeys, isPathName, parsePath } from '../model/path.ts'
import { below, isFields, type Manifest, own } from './fields.ts'

/** A path and, where the source knows them, its keys: see `Operation.keys`. */
export interface Place {
  path: string
  keys?: readonly (string | number)[] | undefined
}

/**
 * One step of a path. `either` is a canonical integer of which the path alone doesn't say whether it is a
 * position or a name.
 */
export type Step =
  | { kind: 'name'; name: string }
  | { kind: 'position'; name: string }
  | { kind: 'either'; name: string }
  | { kind: 'id'; id: string }

/** Where a path leads in a manifest. */
export interface Target {
  /** `undefined`: hidden. */
  node: Manifest | undefined
  /** The path ends at an array's element. Only told outside of subtrees that are visible as a whole. */
  element: boolean
  /** A step was taken to be a position, or a name, without knowing. */
  guessed: boolean
  /**
   * The path names an array's element by its `_id`, which is made where it is missing. Only told outside of
   * subtrees that are visible as a whole.
   */
  byId: boolean
  /**
   * The client can't follow the path: it doesn't hold the `_id`s of the elements, or a field's name has a dot
   * in it.
   */
  blind: boolean
  /** The path for messages: names that the manifest lists; `*` for all others, since these may be data. */
  pattern: string
}

/**
 * The steps of a path; `exact` is false where the path doesn't express its keys, so that only the keys are to
 * be trusted.
 */
export function stepsOf(place: Place): { steps: Step[]; exact: boolean } {
  if (place.keys === undefined) {
    const steps = parsePath(place.path).map((segment): Step => {
      if (typeof segment !== 'string') return { kind: 'id', id: segment.id }
      return { kind: /^(0|[1-9]\d*)$/.test(segment) ? 'either' : 'name', name: segment }
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

/** The element of an array that a step leads to, if the step leads to one. */
export function elementAt(list: readonly Json[], step: Step): Json | undefined {
  if (step.kind === 'name') return undefined
  if (step.kind !== 'id') return list[Number(step.name)]
  return list.find((element) => isFields(element) && idText(own(element, '_id')) === step.id)
}

/** How a path writes an id: the type of a scalar doesn't count, as when `applyOp` reads one. */
function idText(id: Json | undefined): string | undefined {
  if (id === undefined) return undefined
  return typeof id === 'object' && id !== null ? canonical(id) : String(id)
}

/** Follows a path through a manifest; a document, if given, tells positions from names. */
export function resolve(manifest: Manifest, place: Place, document?: Document): Target {
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
    // Both readings of an integer lead somewhere if the manifest lists it as a name.
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
    // What a position hides, an unlisted name hides too.
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
