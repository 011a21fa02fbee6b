/**
 * Matches characters that a terminal or a page may obey: control characters, and those that change the
 * direction of text.
 */
const COMMANDS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finds control characters.
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** Limits the characters of a value in a sentence. */
const MAX_VALUE = 120

/** Escapes the characters of a text that a terminal or a page may obey, as JSON does: `\u001b`. */
export function printable(text: string): string {
  return text.replace(COMMANDS, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Writes a value as JSON that is safe to print. Cuts a long text. */
export function valueText(value: unknown, max = MAX_VALUE): string {
  return cut(printable(JSON.stringify(value) ?? 'nothing'), max)
}

/** Cuts a text after so many characters, and never within a character. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text
  return `${text.slice(0, max).replace(/[\ud800-\udbff]$/, '')}…`
}
