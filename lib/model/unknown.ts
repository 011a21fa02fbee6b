import { ParticleError } from '../errors.ts'
import { nearest } from './nearest.ts'

/** Describes an unknown name: suggests the nearest known name, or else lists all known names. */
export function notKnown(name: unknown, known: Iterable<string>): string {
  const all = [...known]
  const text = typeof name === 'string' ? name : String(name)
  const meant = nearest(text, all)
  const said = `"${text.length > 100 ? `${text.slice(0, 100)}...` : text}" is not known`
  return `${said}; ${meant === undefined ? `known are ${all.join(', ')}` : `"${meant}" was perhaps meant`}`
}

/** Creates the error of an option, or of another argument, that can't be used. */
export function invalidOption(message: string, options?: { cause?: unknown }): ParticleError {
  return new ParticleError('INVALID_OPTION', message, options)
}

/**
 * Refuses an option, or another argument, that can't be used.
 *
 * @throws ParticleError `INVALID_OPTION`, always
 */
export function refuseOption(sentence: string): never {
  throw invalidOption(sentence)
}

/**
 * Refuses anything but an object, and an object with an unknown key.
 *
 * @param what the kind of the keys, for the message: say, `option`
 * @throws ParticleError `INVALID_OPTION`, with the key and the nearest known name
 */
export function refuseUnknown(what: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuseOption(`${what}s must be an object: known are ${known.join(', ')}`)
  const key = Object.keys(value).find((name) => !known.includes(name))
  if (key !== undefined) refuseOption(`${what} ${notKnown(key, known)}`)
}

/**
 * Refuses anything but a function, at the registration instead of the first call.
 *
 * @param what the function's name, for the message: say, `on(pattern, listener): listener`
 * @throws ParticleError `INVALID_OPTION`
 */
export function requireFunction(what: string, value: unknown): void {
  if (typeof value !== 'function')
    refuseOption(`${what} must be a function (given: ${value && typeof value})`)
}
