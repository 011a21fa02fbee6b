import { ParticleError } from '../errors.ts'
import { describeGiven } from './given.ts'

/** Characters of a pattern: a longer one costs more to compile than a query is worth. */
export const MAX_PATTERN = 1_000

/** The flags that `$options` takes: MongoDB's, but for `x`, which JavaScript's patterns don't have. */
const OPTIONS = /^[imsu]*$/

/**
 * Writes a text as a pattern that matches this text alone: `{ name: { $regex: '^' +
 * escapePattern(identity.prefix) } }`.
 * Without it, what an identity holds would be a pattern: it could match what was not meant, and one such as
 * `(a+)+$` can
 * keep the process busy for minutes.
 *
 * @throws ParticleError `INVALID_QUERY` for what is no text
 */
export function escapePattern(text: string): string {
  if (typeof text !== 'string')
    throw new ParticleError('INVALID_QUERY', `escapePattern takes a text: ${describeGiven(text)}`)
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (character) =>
    // A plain "\-" is refused by patterns with the flag u.
    character === '-' ? '\\x2d' : `\\${character}`,
  )
}

/**
 * Compiles `$regex` and `$options`. @throws TypeError for operands that are refused; SyntaxError for no
 * pattern
 */
export function patternOf(source: unknown, options: unknown): RegExp {
  if (source instanceof RegExp) {
    if (options === undefined) return bounded(source)
    if (source.flags !== '') throw new TypeError('$options stands beside a $regex that has flags of its own')
    return patternOf(source.source, options)
  }
  if (typeof source !== 'string') throw new TypeError('$regex takes a text or a pattern')
  if (options !== undefined && (typeof options !== 'string' || !OPTIONS.test(options)))
    throw new TypeError('$options takes a text of the letters i, m, s and u')
  checkLength(source)
  return new RegExp(source, options)
}

/** Refuses a pattern that is too long. */
export function bounded(pattern: RegExp): RegExp {
  checkLength(pattern.source)
  return pattern
}

function checkLength(source: string): void {
  if (source.length > MAX_PATTERN) throw new TypeError(`A pattern has at most ${MAX_PATTERN} characters`)
}
