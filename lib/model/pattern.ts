import { ParticleError } from '../errors.ts'
import { describeGiven } from './given.ts'

/** Limits the characters of a pattern, because compiling is expensive. */
export const MAX_PATTERN = 1_000

/** The flags of `$options`: MongoDB's, except `x`, which JavaScript does not have. */
const OPTIONS = /^[imsu]*$/

/**
 * Escapes a text as a pattern that matches only this text:
 * `{ name: { $regex: '^' + escapePattern(identity.prefix) } }`. Without the escape, a value of the identity
 * would be a pattern: it could match other texts, and a pattern such as `(a+)+$` can block the process for
 * minutes.
 *
 * @throws ParticleError `INVALID_QUERY` for anything but a text
 */
export function escapePattern(text: string): string {
  if (typeof text !== 'string')
    throw new ParticleError('INVALID_QUERY', `escapePattern takes a text: ${describeGiven(text)}`)
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (character) =>
    // Escapes "-" by its code, because a plain "\-" is refused in patterns with the flag u.
    character === '-' ? '\\x2d' : `\\${character}`,
  )
}

/**
 * Compiles `$regex` and `$options`. @throws TypeError for refused operands, SyntaxError for a malformed
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
  checkSource(source)
  return new RegExp(source, options)
}

/** Refuses a pattern that is too long, or that contains U+0000, which ends a pattern in BSON. */
export function bounded(pattern: RegExp): RegExp {
  checkSource(pattern.source)
  return pattern
}

function checkSource(source: string): void {
  if (source.length > MAX_PATTERN) throw new TypeError(`A pattern has at most ${MAX_PATTERN} characters`)
  if (source.includes('\0')) throw new TypeError('A pattern has no character U+0000')
}
