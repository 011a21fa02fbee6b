import { ParticleError } from '../errors.ts'
import { nearest } from '../model/nearest.ts'
import type { Operation } from '../model/operation.ts'
import { parsePath } from '../model/path.ts'
import type { WireManifest } from '../protocol/messages.ts'

/**
 * Splits a pattern such as `users.address.*` into its segments: `*` stands for one segment of a path, `**`
 * for any number of them.
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
 * Whether what happened at `path` touches the pattern: it matches, or the path is a parent of what could
 * match.
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

/** The paths that an operation writes to, as segments; those by id count as one each. */
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
 * Tells for one change of a root which patterns it touches. A root's own name is touched by all that happens
 * to the root; without operations (the root was replaced as a whole) so is every pattern of the root.
 */
export function touchTest(
  root: string,
  oplist?: readonly Operation[],
): (pattern: readonly string[]) => boolean {
  const start = root.split('.')
  const changed = oplist ? oplist.flatMap(paths).map((path) => [...start, ...path]) : [start]
  return (pattern) => pattern.join('.') === root || changed.some((path) => touches(pattern, path))
}

/**
 * Tells, in a sentence, that nothing of the roots and fields that may be seen can ever touch a pattern, and
 * which name was probably meant; `undefined` where something can.
 */
export function unmatched(
  pattern: string,
  segments: readonly string[],
  roots: Readonly<Record<string, WireManifest>>,
): string | undefined {
  const names = Object.keys(roots)
  const touched = names.filter((root) => touchTest(root)(segments))
  const [first = ''] = segments
  if (touched.length === 0) {
    return `Nothing can touch the pattern "${pattern}": there is no root "${first}"; ${meant(first, names)}.`
  }
  const misses = touched.map((root) => missing(roots[root] ?? true, segments.slice(root.split('.').length)))
  const miss = misses[0]
  if (!miss || misses.includes(undefined)) return undefined
  return `Nothing can touch the pattern "${pattern}": the manifest has no field "${miss.name}"; ${meant(miss.name, miss.known)}.`
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

/** The first name of a pattern that a manifest does not list; `undefined` where it can be touched. */
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
  // A manifest says nothing of the positions of arrays.
  if (within && (name === '*' || /^\d+$|^\[.*\]$/.test(name))) {
    const miss = missing(manifest, rest, true)
    if (!miss) return undefined
    misses.push(miss)
  }
  return misses[0] ?? { name, known }
}
