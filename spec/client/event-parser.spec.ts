import { expect } from 'chai'
import { createParser } from 'eventsource-parser'
import fc from 'fast-check'
import { eventParser } from '../../lib/client/event-parser.ts'

type Parsed = [event: string, data: string, id: string]

function parsed(...texts: string[]): Parsed[] {
  const events: Parsed[] = []
  const parse = eventParser((...event) => events.push(event))
  for (const text of texts) parse(text)
  return events
}

/** What the package eventsource-parser makes of the texts. */
function expected(texts: string[]): Parsed[] {
  const events: Parsed[] = []
  const parser = createParser({
    onEvent: ({ event = 'message', data, id = '' }) => events.push([event, data, id]),
  })
  for (const text of texts) parser.feed(text)
  return events
}

describe('eventParser', () => {
  it('reads as eventsource-parser does, wherever the text is split', () => {
    const field = fc.constantFrom('data', 'event', 'id', 'retry', ':', 'data:', 'dat', 'Data', 'x', '')
    const value = fc.oneof(
      fc.constantFrom('', 'a', ' a', '  a', ':', 'a:b', '\0', 'a\0b', '1', '{"a":1}', 'é😀\u2028\u0085'),
      fc.string({ maxLength: 5 }),
    )
    const line = fc.tuple(field, fc.constantFrom('', ':', ': '), value).map((parts) => parts.join(''))
    const end = fc.constantFrom('\n', '\n', '\n\n', '\r', '\r\n', '\r\n\r\n', '\n\r')
    const text = fc
      .array(
        fc.tuple(line, end).map((parts) => parts.join('')),
        { maxLength: 20 },
      )
      .map((lines) => lines.join(''))
    fc.assert(
      fc.property(text, fc.array(fc.nat(200), { maxLength: 8 }), (whole, cuts) => {
        const places = [0, ...cuts.filter((at) => at < whole.length).sort((a, b) => a - b), whole.length]
        const texts = places.map((at, index) => whole.slice(at, places[index + 1]))
        // Ends a last \r, with which the other parser waits.
        texts.push(':\n')
        expect(parsed(...texts)).to.deep.equal(expected(texts))
      }),
      { numRuns: 2000 },
    )
  })

  it('gives each event at once, and its id to no other event', () => {
    expect(parsed('id: 5\nevent: delta\ndata: {}\n\n')).to.deep.equal([['delta', '{}', '5']])
    expect(parsed('id: 5\ndata: a\n\ndata: b\n\n').map(([, , id]) => id)).to.deep.equal(['5', ''])
    expect(parsed('data: a\r\r')).to.have.length(1)
    expect(parsed('data: a\r\n\r', '\ndata: b\n\n').map(([, data]) => data)).to.deep.equal(['a', 'b'])
  })

  it('takes a line of megabytes in small parts in linear time', () => {
    const part = 'x'.repeat(1000)
    const events = parsed('data: ', ...Array.from({ length: 20_000 }, () => part), '\n\n')
    expect(events[0]?.[1].length).to.equal(20_000_000)
  })
})
