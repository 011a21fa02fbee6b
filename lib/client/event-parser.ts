/**
 * Parses the text of an event stream (HTML standard, 9.2.6). `id` is the event's own id, empty for an event
 * without one. A comment, a `retry` and an unknown field are ignored.
 *
 * @returns a function that takes the next part of the text, split anywhere
 */
export function eventParser(
  receive: (event: string, data: string, id: string) => void,
): (text: string) => void {
  /** The parts of the line that has not ended. They are joined once, since a line may have megabytes. */
  let parts: string[] = []
  let endsInReturn = false
  let event = ''
  let id = ''
  let data: string | undefined
  const take = (line: string) => {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
    if (name === 'data') data = data === undefined ? value : `${data}\n${value}`
    if (name === 'event') event = value
    if (name === 'id' && !value.includes('\0')) id = value
    if (line) return
    if (data !== undefined) receive(event || 'message', data, id)
    event = id = ''
    data = undefined
  }
  return (text) => {
    if (!text) return
    // Skips the second half of a line's end that two texts share.
    const lines = (endsInReturn && text[0] === '\n' ? text.slice(1) : text).split(/\r\n?|\n/)
    endsInReturn = text.endsWith('\r')
    const last = lines.pop() ?? ''
    for (const line of lines) {
      parts.push(line)
      take(parts.length > 1 ? parts.join('') : line)
      parts = []
    }
    parts.push(last)
  }
}
