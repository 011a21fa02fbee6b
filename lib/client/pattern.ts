import type { Operation } from '../model/operation.ts'
import { parsePath } from '../model/path.ts'
import { invalidOption } from '../model/unknown.ts'
import type { WireManifest } from '../protocol/messages.ts'
import { isWatchedRoot } from '../protocol/watched-root.ts'

/**
 * Splits a pattern such as `users.address.*` into its segments. `*` stands for one segment of a path, `**`
 * for any number of segments.
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function parsePattern(pattern: string): string[] {
  const segments = typeof pattern === 'string' ? pattern.split('.') : ['']
  if (segments.some((segment) => segment === '' || (segment.includes('*') && !/^\*\*?$/.test(segment)))) {
    throw invalidOption(`${pattern} is not a pattern, such as users, users.*.name or users.**`)
  }
  return segments
}

/**
 * Checks whether a change at `path` touches the pattern. A change of a parent touches all paths under the
 * parent.
 */
function touches(pattern: readonly string[], path: readonly string[], from = 0, at = 0): boolean {
  if (at === path.length) return true
  const segment = pattern[from]
  if (segment === '**') return touches(pattern, path, from + 1, at) || touches(pattern, path, from, at + 1)
  return (
    segment !== undefined &&
    (segment === '*' || segment === path[at]) &&
    touches(pattern, path, from + 1, at + 1)
  )
}

/** Returns the paths that an operation writes to, as segments. An element named by its id is one segment. */
function paths(operation: Operation): string[][] {
  if (operation.operation === 'noop') return []
  const written =
    operation.operation === 'rename' && typeof operation.data === 'string'
      ? [operation.path, operation.data]
      : [operation.path]
  return written.map((path) =>
    parsePath(path).map((segment) =>
      typeof segment === 'string' ? segment : `[${JSON.stringify(segment.id)}]`,
    ),
  )
}

/**
 * Returns a function that checks which patterns one change of a root touches. All changes touch the root's
 * own name. A change without operations replaces the whole root, and touches all patterns of the root.
 */
export function touchTest(
  root: string,
  oplist?: readonly Operation[],
): (pattern: readonly string[]) => boolean {
  const start = rootSegments(root)
  const changed = oplist ? oplist.flatMap(paths).map((path) => [...start, ...path]) : [start]
  return (pattern) => pattern.join('.') === root || changed.some((path) => touches(pattern, path))
}

/**
 * Returns a sentence about a pattern that no visible root or field can ever touch, with the known names.
 * Returns `undefined` for a pattern that can be touched.
 */
export function unmatched(
  pattern: string,
  segments: readonly string[],
  roots: Readonly<Record<string, WireManifest>>,
): string | undefined {
  const touched = Object.keys(roots).filter((root) => touchTest(root)(segments))
  const misses = touched.map((root) =>
    missing(roots[root] ?? true, segments.slice(rootSegments(root).length)),
  )
  const [first = ''] = segments
  // Keeps a pattern for all roots of a page that has none yet, such as watched roots.
  const isEarly = touched.length === 0 && first.startsWith('*')
  if (isEarly || misses.includes(undefined)) return undefined
  const { name, known } = misses[0] ?? { name: first, known: Object.keys(roots) }
  const lack = misses[0] ? 'the manifest has no field' : 'there is no root'
  const all = known.map((each) => `"${each}"`).join(', ') || 'none'
  return `Nothing can touch the pattern "${pattern}": ${lack} "${name}"; there is ${all}.`
}

/** Splits a root's name as patterns do. The name of a watched root is one segment. */
function rootSegments(root: string): string[] {
  return isWatchedRoot(root) ? [root] : root.split('.')
}

/**
 * Finds the first name of a pattern that a manifest does not list, and the names that it does list. Returns
 * `undefined` when the pattern can be touched.
 */
function missing(
  manifest: WireManifest,
  pattern: readonly string[],
  within = false,
): { name: string; known: readonly string[] } | undefined {
  const [name, ...rest] = pattern
  if (name === undefined || manifest === true || name === '**') return undefined
  const fields: WireManifest = within ? manifest : { _id: true, ...manifest }
  const known = Object.keys(fields)
  const ways = known.filter((each) => name === '*' || each === name).map((each) => fields[each] ?? true)
  // Manifests do not list the positions of arrays.
  if (within && (name === '*' || /^\d+$|^\[.*\]$/.test(name))) ways.push(manifest)
  const misses = ways.map((way) => missing(way, rest, true))
  return misses.includes(undefined) ? undefined : (misses[0] ?? { name, known })
}
