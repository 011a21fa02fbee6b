import { ParticleError } from '../errors.ts'
import { describeGiven } from './given.ts'
import { nearest } from './nearest.ts'

/** Says that a name is not known, and names the one that was probably meant, or else all that are known. */
export function notKnown(name: unknown, known: Iterable<string>): string {
  const all = [...known]
  const text = typeof name === 'string' ? name : String(name)
  const meant = nearest(text, all)
  const said = `"${text.length > 100 ? `${text.slice(0, 100)}...` : text}" is not known`
  return `${said}; ${meant === undefined ? `known are ${all.join(', ')}` : `"${meant}" was perhaps meant`}`
}

/**
 * Refuses what is no object, and an object that has a key which is not known.
 *
 * @param what what the keys are, for the message: say, `option`
 * @throws ParticleError `INVALID_OPTION`, naming the key and what was probably meant
 */
export function refuseUnknown(what: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ParticleError('INVALID_OPTION', `${what}s must be an object: known are ${known.join(', ')}`)
  const key = Object.keys(value).find((name) => !known.includes(name))
  if (key !== undefined) throw new ParticleError('INVALID_OPTION', `${what} ${notKnown(key, known)}`)
}

/**
 * Refuses what is no function, when it is given rather than when it is first called.
 *
 * @param what what the function is, for the message: say, `on(pattern, listener): listener`
 * @throws ParticleError `INVALID_OPTION`
 */
export function requireFunction(what: string, value: unknown): void {
  if (typeof value === 'function') return
  throw new ParticleError('INVALID_OPTION', `${what} must be a function: ${describeGiven(value)}`)
}
