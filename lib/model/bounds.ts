import type { Json } from './document.ts'

/** Limits the depth, the width and the size of a value. */
export interface Bounds {
  /** Levels of objects and arrays within each other. */
  depth: number
  /** Fields and elements on all levels. */
  keys: number
  /** Characters of texts and names on all levels. */
  size: number
}

/**
 * Limits the levels of a document and the segments of a path, as MongoDB does. The server hides a deeper
 * field.
 */
export const MAX_DEPTH = 200

/** Limits a client's input: the presented identity. */
export const REQUEST_BOUNDS: Bounds = { depth: 64, keys: 10_000, size: 1_000_000 }

/** Limits the application's answers: a found identity, a query, a manifest. */
export const ANSWER_BOUNDS: Bounds = { depth: 64, keys: 100_000, size: 4_000_000 }

/**
 * Explains how a value exceeds bounds; `undefined` for a value within them. The walk never goes deeper than
 * the bounds, so that neither a deep value nor a value that contains itself can exhaust the stack.
 * @param isLeaf checks for an object that is not walked. Default: none
 */
export function excessOf(
  value: unknown,
  { depth, keys, size }: Bounds,
  isLeaf: (value: object) => boolean = () => false,
): string | undefined {
  let [keysLeft, sizeLeft] = [keys, size]
  const walk = (inner: unknown, levels: number): string | undefined => {
    if (typeof inner === 'string') sizeLeft -= inner.length
    else if (typeof inner === 'object' && inner !== null && !ArrayBuffer.isView(inner) && !isLeaf(inner)) {
      if (levels === 0) return `is nested deeper than ${depth} levels, or contains itself`
      const names = Object.keys(inner)
      keysLeft -= names.length
      if (keysLeft < 0) return `has more than ${keys} fields and elements`
      for (const name of names) {
        if (!Array.isArray(inner)) sizeLeft -= name.length
        const found = walk((inner as Record<string, unknown>)[name], levels - 1)
        if (found) return found
      }
    }
    return sizeLeft < 0 ? `has more than ${size} characters` : undefined
  }
  return walk(value, depth)
}

/** Checks that a value has at most `depth` levels. */
export function isWithin(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depth <= 0) return false
  if (Array.isArray(value)) {
    for (const element of value)
      if (typeof element === 'object' && element !== null && !isWithin(element, depth - 1)) return false
    return true
  }
  for (const name in value) {
    const inner = value[name]
    if (typeof inner === 'object' && inner !== null && !isWithin(inner, depth - 1)) return false
  }
  return true
}

/**
 * Replaces a value that is nested too deep to be walked. This value is one level deeper than a document may
 * be, so that the server hides it and reports it.
 */
export const TOO_DEEP: Json = /* @__PURE__ */ tooDeep()

function tooDeep(): Json {
  let value: Json = null
  for (let level = 0; level <= MAX_DEPTH; level++) value = [value]
  return value
}

/**
 * Converts a parsed value of a source for JSON. Replaces a value that can't be walked by {@link TOO_DEEP}.
 * Replaces, in place, a number that is too large for a double (`1e400`) by null, so that matching sees the
 * value that clients get.
 */
export function walkable(value: Json): Json {
  return isWithin(value, MAX_DEPTH) ? finite(value) : TOO_DEEP
}

function finite(value: Json): Json {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) if (isInexact(element)) value[index] = finite(element)
  } else if (typeof value === 'object' && value !== null) {
    for (const name in value) if (isInexact(value[name])) value[name] = finite(value[name] ?? null)
  }
  return value
}

/** Checks for a number that is too large, also for a value that may contain one. */
function isInexact(value: Json | undefined): boolean {
  return typeof value === 'object' ? value !== null : typeof value === 'number' && !Number.isFinite(value)
}
