import { walkable } from '../../model/bounds.ts'
import type { Json } from '../../model/document.ts'

/** Matches a string of JSON, an integer past the safe range, or another number. */
const TOKENS = /"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g
const LONG_DIGITS = /\d{16}/
/**
 * Matches texts that may need a correction after JSON.parse: a number that overflows, a field named
 * `__proto__`, and -0.
 */
const DELICATE = /\d{200}|\d[eE]\+?\d{3}|__proto__|\\u|(?:^|[[:,\s])-0/

/**
 * Parses the JSON of a column. Leaves out a field named `__proto__`, because no path can name that field. An
 * integer that a number would round becomes a decimal string. Another number that JavaScript can't hold
 * becomes `null`.
 *
 * @throws SyntaxError for a text that is not valid JSON
 */
export function parseJson(text: string): Json {
  const value = walkable(JSON.parse(LONG_DIGITS.test(text) ? quoteBigIntegers(text) : text) as Json)
  return DELICATE.test(text) ? clean(value) : value
}

/** Puts quotes around the integers that a JavaScript number would round. */
function quoteBigIntegers(text: string): string {
  return text.replace(TOKENS, (token) => (isRounded(token) ? `"${token}"` : token))
}

/** Checks for an integer that a JavaScript number would round. */
function isRounded(token: string): boolean {
  if (!/^-?\d{16,}$/.test(token)) return false
  const [digits = '', exponent] = Number(token).toExponential().split('e+')
  if (exponent === undefined) return false
  const [sign] = /^-?/.exec(token) ?? ['']
  const given = digits.replace(/[-.]/g, '').padEnd(Number(exponent) + 1, '0')
  return `${sign}${given}` !== token
}

function clean(value: Json): Json {
  // Adds zero, because JSON turns -0 into 0.
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : null
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([name]) => name !== '__proto__')
  return Object.fromEntries(entries.map(([name, inner]) => [name, clean(inner)]))
}
