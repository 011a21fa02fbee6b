/** Holds the parts of a function's text. */
interface FunctionText {
  /** The text of each parameter, without comments. Rest parameters begin with `...`. */
  parameters: readonly string[]
  /** The text after the parameters. */
  body: string
  whole: string
}

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/
const LONE_PARAMETER = /^(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*=>/u
const NAME = /^(?:\.\.\.)?\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*(?:=|$)/u
/** Matches comments, and strings without code in them. */
const SKIPPED =
  /^(?:\/\/.*|\/\*[\s\S]*?\*\/|'(?:\\[\s\S]|[^\\'])*'|"(?:\\[\s\S]|[^\\"])*"|`(?:\\[\s\S]|[^\\`])*`)/

/**
 * Checks that a function can use a parameter, counted from 1. A function uses a parameter if its text names
 * the parameter again after the declaration, or says `arguments`. A function without a text (a bound
 * function, for example) uses as many parameters as its `length` says.
 */
export function usesParameter(fn: (...args: never[]) => unknown, number: number): boolean {
  const text = textOf(fn)
  if (!text) return fn.length >= number
  if (names(text.whole, 'arguments')) return true
  const { parameters, body } = text
  const last = parameters.at(-1)
  const declared = parameters[number - 1] ?? (last?.startsWith('...') ? last : undefined)
  if (declared === undefined) return false
  const name = NAME.exec(declared)?.[1]
  return name === undefined || names([...parameters.slice(number), body].join(), name)
}

/** Checks that a function has a readable text. A bound function and a Proxy have none. */
export function hasText(fn: (...args: never[]) => unknown): boolean {
  return textOf(fn) !== undefined
}

/** Returns the fields that a function reads of a parameter, counted from 1, according to its text. */
export function readsOfParameter(
  fn: (...args: never[]) => unknown,
  number: number,
  fields: readonly string[],
): string[] {
  const text = textOf(fn)
  const declared = text?.parameters[number - 1]
  if (!text || declared === undefined) return []
  const name = NAME.exec(declared)?.[1]
  // Handles a parameter that is destructured in the declaration.
  if (name === undefined) return fields.filter((field) => names(declared, field))
  const of = escaped(name)
  return fields.filter((field) => {
    const end = '(?![\\p{ID_Continue}$])'
    const access = `(?<![\\p{ID_Continue}$.])${of}\\s*(?:\\?\\.|\\.|(?:\\?\\.)?\\[['"])\\s*${field}${end}`
    const destructuring = `\\{[^{}]*\\b${field}\\b[^{}]*\\}\\s*=\\s*${of}${end}`
    const read = new RegExp(`${access}|${destructuring}`, 'u')
    return read.test(text.body)
  })
}

/** Checks that a function can only return `undefined`: its body is a block without `return` and `throw`. */
export function returnsNothing(fn: (...args: never[]) => unknown): boolean {
  const body = textOf(fn)?.body
  return (
    body !== undefined && /^\s*(?:=>\s*)?\{/.test(body) && !names(body, 'return') && !names(body, 'throw')
  )
}

/**
 * Splits the text of a function. Returns undefined for a function without a readable text. Avoids a parser of
 * JavaScript, which would be a run-time dependency for a few yes-or-no questions.
 */
function textOf(fn: (...args: never[]) => unknown): FunctionText | undefined {
  const whole = Function.prototype.toString.call(fn)
  if (NATIVE.test(whole)) return undefined
  const lone = LONE_PARAMETER.exec(whole)
  if (lone?.[1] !== undefined) {
    const after = whole.indexOf('=>', lone[1].length)
    return { whole, parameters: [lone[1]], body: whole.slice(after) }
  }
  const parameters: string[] = []
  let depth = 0
  let current: string | undefined
  for (let at = 0; at < whole.length; at++) {
    const skipped = SKIPPED.exec(whole.slice(at))?.[0]
    if (skipped !== undefined) {
      at += skipped.length - 1
      if (current !== undefined && !skipped.startsWith('/')) current += skipped
      continue
    }
    const character = whole[at] ?? ''
    if ('([{'.includes(character)) depth++
    if (')]}'.includes(character)) depth--
    if (current === undefined) {
      // Ignores the parentheses of a method's computed name.
      if (character === '(' && depth === 1) current = ''
    } else if (depth === 0 || (depth === 1 && character === ',')) {
      if (current.trim() !== '') parameters.push(current.trim())
      current = ''
      if (depth === 0) return { whole, parameters, body: whole.slice(at + 1) }
    } else current += character
  }
  return undefined
}

function names(text: string, name: string): boolean {
  return new RegExp(`(?<![\\p{ID_Continue}$])${escaped(name)}(?![\\p{ID_Continue}$])`, 'u').test(text)
}

/** Escapes a name for a regular expression. */
function escaped(name: string): string {
  return name.replaceAll('$', '\\$')
}
