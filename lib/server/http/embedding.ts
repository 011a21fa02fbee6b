import { refuseOption } from '../../model/unknown.ts'

/** Maps characters that could end a script's text to their escapes, which mean the same in JSON. */
const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/**
 * Writes JSON for a `<script>` of a page, such as the JSON of `server.snapshot()`. No text in a document can
 * end the script or begin a comment, since `<`, `>`, `&` and the line ends of JavaScript are escaped. The
 * result is valid JSON and a valid expression of JavaScript.
 *
 * @throws ParticleError `INVALID_OPTION` for a promise, and for what is no object
 */
export function toScript(value: object): string {
  if (typeof value !== 'object' || value === null || typeof (value as { then?: unknown }).then === 'function')
    refuseOption('toScript(value) takes an object, such as the result of await server.snapshot(identity)')
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character] ?? '')
}
