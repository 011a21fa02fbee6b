let last = Number.NaN
let lastText = ''

/**
 * Formats a time in milliseconds as ISO 8601. Keeps the last text, since the changes of one moment come
 * together, to sources and to clients: a text costs 0.5 µs.
 */
export function isoTime(milliseconds: number): string {
  if (milliseconds !== last) {
    lastText = new Date(milliseconds).toISOString()
    last = milliseconds
  }
  return lastText
}
