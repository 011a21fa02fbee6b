/** Splits the text of a function into what it declares and what it does. */
interface FunctionText {
  /** The text of each parameter, without comments; rest parameters begin with `...`. */
  parameters: readonly string[]
  /** What follows the parameters. */
  body: string
  whole: string
}

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/
const LONE_PARAMETER = /^(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*=>/u
const NAME = /^(?:\.\.\.)?\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*(?:=|$)/u
/** Comments, and texts that hold no further code. */
const SKIPPED =
  /^(?:\/\/.*|\/\*[\s\S]*?\*\/|'(?:\\[\s\S]|[^\\'])*'|"(?:\\[\s\S]|[^\\"])*"|`(?:\\[\s\S]|[^\\`])*`)/

/**
 * Whether a function can do something with its parameter of that number, counted from 1: its text names the
 * parameter again after it declared it, or says `arguments`. A function whose text can't be had (a bound one,
 * say) is taken to use what its `length` counts.
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

/** Whether the text of a function can be had and read. A bound function and a Proxy have none. */
export function hasText(fn: (...args: never[]) => unknown): boolean {
  return textOf(fn) !== undefined
}

/**
 * Which of the fields a function reads of its parameter of that number, counted from 1, as far as its own
 * text tells.
 */
export function readsOfParameter(
  fn: (...args: never[]) => unknown,
  number: number,
  fields: readonly string[],
): string[] {
  const text = textOf(fn)
  const declared = text?.parameters[number - 1]
  if (!text || declared === undefined) return []
  const name = NAME.exec(declared)?.[1]
  // Taken apart in the parameters themselves.
  if (name === undefined) return fields.filter((field) => names(declared, field))
  const of = escaped(name)
  return fields.filter((field) => {
    const read = new RegExp(
      `(?<![\\p{ID_Continue}$.])${of}\\s*(?:\\?\\.|\\.|(?:\\?\\.)?\\[['"])\\s*${field}(?![\\p{ID_Continue}$])|\\{[^{}]*\\b${field}\\b[^{}]*\\}\\s*=\\s*${of}(?![\\p{ID_Continue}$])`,
      'u',
    )
    return read.test(text.body)
  })
}

/**
 * Whether a function can only answer with `undefined`: its body is a block that says neither `return` nor
 * `throw`.
 */
export function returnsNothing(fn: (...args: never[]) => unknown): boolean {
  const body = textOf(fn)?.body
  return (
    body !== undefined && /^\s*(?:=>\s*)?\{/.test(body) && !names(body, 'return') && !names(body, 'throw')
  )
}

/** Undefined where the text can't be had, or can't be read. */
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
      // A method's computed name may have parentheses of its own.
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

/** A name as part of a pattern. */
function escaped(name: string): string {
  return name.replaceAll('$', '\\$')
}
