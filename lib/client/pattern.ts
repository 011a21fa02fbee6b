import { ParticleError } from '../errors.ts'
import type { Operation } from '../model/operation.ts'
import { parsePath } from '../model/path.ts'

/**
 * Splits a pattern such as `users.address.*` into its segments: `*` stands for one segment of a path, `**` for any number of them.
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

/** Whether what happened at `path` touches the pattern: it matches, or the path is a parent of what could match. */
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
 * Tells for one change of a root which patterns it touches. A root's own name is touched by all that happens to the root;
 * without operations (the root was replaced as a whole) so is every pattern of the root.
 */
export function matcher(
  root: string,
  oplist?: readonly Operation[],
): (pattern: readonly string[]) => boolean {
  const start = root.split('.')
  const changed = oplist ? oplist.flatMap(paths).map((path) => [...start, ...path]) : [start]
  return (pattern) => pattern.join('.') === root || changed.some((path) => touches(pattern, path))
}
