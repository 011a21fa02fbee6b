import fc from 'fast-check'
import type { ServerEvent } from '../../lib/protocol/messages.ts'

const timestamp = '2024-01-02T03:04:05.678Z'

/** Examples of each event. */
export const examples: ServerEvent[] = [
  {
    event: 'manifest',
    data: {
      protocol: 2,
      timestamp,
      resumed: false,
      reason: 'new',
      sources: { a: true, b: { c: { d: true } } },
    },
  },
  { event: 'manifest', data: { protocol: 2, timestamp, resumed: true, sources: {} } },
  { event: 'watching', data: { watch: [], sources: { a: true } } },
  {
    event: 'watching',
    data: {
      watch: ['b?{"c":1}', { root: 'b?{"c":2}', limit: 100 }],
      sources: { 'b?{"c":1}': true, 'b?{"c":2}': { d: true } },
    },
  },
  {
    event: 'payload',
    data: { root: 'a', timestamp, data: [{ _id: 1, text: 'line\nbreak' }], part: 0, last: true },
  },
  { event: 'payload', data: { root: 'a', timestamp, data: [], part: 3, last: false } },
  {
    event: 'delta',
    data: {
      root: 'a',
      timestamp,
      oplist: [
        { operation: 'set', id: { $oid: '64b8' }, path: '.', data: { _id: { $oid: '64b8' } } },
        { operation: 'unset', id: 'x', path: 'a.0' },
        { operation: 'inc', id: null, path: 'b[5].c', data: 1 },
        { operation: 'set', id: 1, path: '.', data: { _id: 1 }, at: 0 },
        { operation: 'noop', id: 1, path: '.', at: 2 },
        { operation: 'set', id: 1, path: 'n', data: null },
      ],
    },
  },
  { event: 'delta', data: { root: 'a', timestamp, oplist: [], more: true } },
  { event: 'ready', data: { timestamp } },
  { event: 'reset', data: { root: 'a', reason: 'slow' } },
  { event: 'revoked', data: { reason: 'left' } },
  { event: 'error', data: { code: 'SOURCE_FAILED', message: 'The source failed.' } },
  { event: 'error', data: { root: 'a', code: 'SOURCE_FAILED', message: 'The source failed.' } },
  { event: 'session', data: { token: 'abc', expiresAt: timestamp } },
  { event: 'reached', data: { position: 'MDoxNw' } },
  { event: 'renew', data: { reason: 'expiring', within: 60_000 } },
  { event: 'ping', data: { timestamp } },
]

/** An example, or one that holds generated texts. */
export const example: fc.Arbitrary<ServerEvent> = fc.oneof(
  fc.constantFrom(...examples),
  fc
    .tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }))
    .map(
      ([reason, text]): ServerEvent => ({ event: 'error', data: { root: 'r', code: reason, message: text } }),
    ),
)
