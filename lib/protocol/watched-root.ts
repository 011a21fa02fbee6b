import { canonical } from '../model/json.ts'

/** The value of a parameter. */
export type ParamValue = string | number | boolean

/** The parameters of a watched root, by name. */
export type Params = Readonly<Record<string, ParamValue>>

/**
 * Describes a watched root in a request or an event: its name, or its name with the limit that the page asked
 * for.
 */
export type WatchEntry = string | { root: string; limit: number }

/** Limits the length of a watched root's name. */
const MAX_ROOT_LENGTH = 1_000

const SEPARATOR = '?'

/** Names the root of a source with parameters. Equal parameters give equal names, whatever their order. */
export function watchedRoot(source: string, params: object): string {
  return `${source}${SEPARATOR}${canonical(params as never)}`
}

/** Checks whether a root's name has parameters. */
export function isWatchedRoot(root: string): boolean {
  return root.includes(SEPARATOR)
}

/**
 * Splits a watched root's name. Returns undefined for a name of another form than {@link watchedRoot} writes.
 */
export function parseWatchedRoot(root: string): { source: string; params: Params } | undefined {
  const at = root.indexOf(SEPARATOR)
  if (at < 0 || root.length > MAX_ROOT_LENGTH) return undefined
  const source = root.slice(0, at)
  try {
    const params: unknown = JSON.parse(root.slice(at + 1))
    if (typeof params !== 'object' || params === null || Array.isArray(params)) return undefined
    if (!Object.values(params).every(isParamValue) || watchedRoot(source, params) !== root) return undefined
    return { source, params: params as Params }
  } catch {
    return undefined
  }
}

/** Returns the name of a root's source, which is the root itself for a root without parameters. */
export function sourceOf(root: string): string {
  const at = root.indexOf(SEPARATOR)
  return at < 0 ? root : root.slice(0, at)
}

/** Checks whether a value can be a parameter: a text, a finite number or a boolean, and never an operator. */
function isParamValue(value: unknown): value is ParamValue {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}
