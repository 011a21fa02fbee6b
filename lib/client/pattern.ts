import { ParticleError } from '../errors.ts'
import { nearest } from '../model/nearest.ts'
import type { Operation } from '../model/operation.ts'
import { parsePath } from '../model/path.ts'
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
    throw new ParticleError(
      'INVALID_OPTION',
      `${pattern} is not a pattern, such as users, users.*.name or users.**`,
    )
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
 * Returns a sentence about a pattern that no visible root or field can ever touch, with the name that was
 * probably meant. Returns `undefined` for a pattern that can be touched.
 */
export function unmatched(
  pattern: string,
  segments: readonly string[],
  roots: Readonly<Record<string, WireManifest>>,
): string | undefined {
  const names = Object.keys(roots)
  const touched = names.filter((root) => touchTest(root)(segments))
  const [first = ''] = segments
  // Keeps a pattern for all roots of a page that has none yet, such as watched roots.
  if (names.length === 0 && first.startsWith('*')) return undefined
  if (touched.length === 0) {
    return `Nothing can touch the pattern "${pattern}": there is no root "${first}"; ${meant(first, names)}.`
  }
  const misses = touched.map((root) =>
    missing(roots[root] ?? true, segments.slice(rootSegments(root).length)),
  )
  const miss = misses[0]
  if (!miss || misses.includes(undefined)) return undefined
  const hint = meant(miss.name, miss.known)
  return `Nothing can touch the pattern "${pattern}": the manifest has no field "${miss.name}"; ${hint}.`
}

/** Splits a root's name as patterns do. The name of a watched root is one segment. */
function rootSegments(root: string): string[] {
  return isWatchedRoot(root) ? [root] : root.split('.')
}

function meant(name: string, known: readonly string[]): string {
  const found = nearest(name, known)
  return found === undefined
    ? `there is ${known.map((each) => `"${each}"`).join(', ') || 'none'}`
    : `"${found}" was probably meant`
}

interface Miss {
  name: string
  known: readonly string[]
}

/**
 * Finds the first name of a pattern that a manifest does not list. Returns `undefined` when the pattern can
 * be touched.
 */
function missing(manifest: WireManifest, pattern: readonly string[], within = false): Miss | undefined {
  const [name, ...rest] = pattern
  if (name === undefined || manifest === true || name === '**') return undefined
  const known = within ? Object.keys(manifest) : ['_id', ...Object.keys(manifest)]
  const misses: Miss[] = []
  for (const field of name === '*' ? known : known.filter((each) => each === name)) {
    const miss = missing(manifest[field] ?? true, rest, true)
    if (!miss) return undefined
    misses.push(miss)
  }
  // Skips the positions of arrays, which manifests do not list.
  if (within && (name === '*' || /^\d+$|^\[.*\]$/.test(name))) {
    const miss = missing(manifest, rest, true)
    if (!miss) return undefined
    misses.push(miss)
  }
  return misses[0] ?? { name, known }
}
