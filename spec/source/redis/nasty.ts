import fc from 'fast-check'
import type { SortKey } from '../../../lib/policy/order.ts'
import type { Query, ReadOptions } from '../../../lib/source/source.ts'

/** The codecs of the fields of {@link documents}. */
export const FIELDS = { n: 'number', b: 'boolean', j: 'json' } as const

/** Texts as they may stand in a hash or a JSON, of which many are hard to read alike in two languages. */
export const TEXTS = [
  ...[
    '',
    'x',
    'X',
    'xy',
    'é',
    'e\u0301',
    '\u{1F600}',
    '\uffff',
    '\ufffd',
    'a"b',
    'a\\b',
    'tab\t',
    '\0',
    'x\0y',
  ],
  ...[
    '0',
    '-0',
    '1',
    '1.0',
    '1e0',
    '01',
    '+1',
    ' 1',
    '1 ',
    '1.',
    '.5',
    '0.5',
    '-1',
    '2',
    '10',
    '1_0',
    '0x1',
    '0x10',
  ],
  ...[
    'NaN',
    'nan',
    'inf',
    'Infinity',
    '1e999',
    '9007199254740991',
    '9007199254740993',
    '1e21',
    '0.1',
    '1e-7',
  ],
  ...[
    'true',
    'false',
    'null',
    ' true',
    '[]',
    '{}',
    '[1]',
    '[1,"x"]',
    '[[1]]',
    '[null]',
    '[[]]',
    '[{}]',
    '"x"',
    '"x',
    ' "x" ',
  ],
  ...[
    '"\\u0078"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"\\/"',
    '"a\tb"',
    '"\\q"',
    '{"k":1}',
    '{"k":{"k":"x"}}',
    '{"k":null}',
    '{"k":[]}',
  ],
  ...[
    '[{"k":1},{"k":"x"}]',
    '{"k":[{"k":"x"},2]}',
    '[[{"k":1}]]',
    '{"k":1,"k":2}',
    '{"1":"x","k":1e0}',
    '{"k":01}',
    '{"":1}',
    '[1,,2]',
  ],
  ...[
    '2024-05-06T07:08:09.010Z',
    '2024-05-06',
    `${'['.repeat(1100)}${']'.repeat(1100)}`,
    JSON.stringify({ k: 'x'.repeat(70_000) }),
  ],
  // Numbers that no double holds.
  ...['-1e400', '[1e400,1]', '{"k":-1e400}', '{"k":[{"k":1e400}]}', `1${'0'.repeat(400)}`],
]
/** Values to ask for. */
export const VALUES = [
  ...[
    '',
    'x',
    'X',
    'xy',
    'é',
    'e\u0301',
    '\u{1F600}',
    '\ud800',
    '\uffff',
    '\ufffd',
    'a"b',
    'a\\b',
    '/',
    'tab\t',
    '\0',
    'x\0y',
    '1',
    '01',
    '0x1',
  ],
  ...[
    '1.0',
    '[',
    '[]',
    'true',
    'null',
    'NaN',
    '2024-05-06',
    '9007199254740993',
    ' 1',
    '\ufffd\ufffd',
    '"x"',
    '{"k":01}',
    'a\tb',
  ],
  ...[0, -0, 1, -1, 2, 10, 16, 0.5, 0.1, 1e21, 1e-7, 9007199254740991, 9007199254740992, true, false, null],
]
/** Paths to ask for. */
export const PATHS = [
  'n',
  'b',
  'j',
  's',
  'j.k',
  'j.k.k',
  's.k',
  'j.0',
  'j.1',
  'j.',
  '_id',
  'n.k',
  'none',
  'constructor',
]

const text = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...TEXTS) },
  fc.json({ maxDepth: 2 }),
  fc.double().map(String),
)
const value = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...VALUES) },
  fc.double({ noNaN: true }),
  fc.string(),
)
const bytes = fc.constantFrom(Buffer.from([0xff]), Buffer.from([0x78, 0xe2]), Buffer.from([0x22, 0xc3, 0x22]))

const hash = fc.dictionary(
  fc.constantFrom('n', 'b', 'j', 's', '_id', 'constructor'),
  fc.oneof({ weight: 9, arbitrary: text }, bytes),
  {
    minKeys: 1,
  },
)
const json = fc.oneof(
  fc.dictionary(fc.constantFrom('n', 'b', 'j', 's', '_id', 'constructor'), text).map((fields) => {
    // The texts as they are where they are JSON, or look like it.
    const inner = Object.entries(fields).map(
      ([name, one]) => `${JSON.stringify(name)}:${/^[[{"\d.tfnN -]/.test(one) ? one : JSON.stringify(one)}`,
    )
    return `{${inner.join()}}`
  }),
  fc
    .record(
      { j: fc.oneof(value, fc.array(value), fc.record({ k: fc.oneof(value, fc.array(value)) })), s: value },
      { requiredKeys: [] },
    )
    .map((one) => JSON.stringify(one)),
  text,
)
/** What keys hold: hashes, with texts that are no UTF-8 among them, and strings. */
export const documents = fc.array(fc.oneof(hash, hash, json), { minLength: 1, maxLength: 30 })

const operators = fc.oneof(
  fc
    .constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte')
    .chain((name) => value.map((one) => ({ [name]: one }))),
  fc
    .constantFrom('$in', '$nin')
    .chain((name) => fc.array(value, { maxLength: 6 }).map((list) => ({ [name]: list }))),
  fc.tuple(value, value).map(([low, high]) => ({ $gte: low, $lt: high })),
  fc.boolean().map((there) => ({ $exists: there })),
  value.map((one) => ({ $not: { $eq: one } })),
  fc.constantFrom(
    { $size: 1 },
    { $type: 'number' },
    { $elemMatch: { k: 'x' } },
    { $all: ['x', 1] },
    { $regex: '^x' },
  ),
)
const condition = fc.oneof(
  { weight: 2, arbitrary: value },
  { weight: 3, arbitrary: operators },
  fc.constantFrom<unknown>(/x/, [1], { k: 1 }, {}),
)
const field = fc.tuple(fc.constantFrom(...PATHS), condition).map(([path, one]): Query => ({ [path]: one }))
/** Queries of all kinds. */
export const query: fc.Arbitrary<Query> = fc.oneof(
  { weight: 4, arbitrary: field },
  fc.tuple(field, field).map(([one, other]) => ({ ...one, ...other })),
  fc.constantFrom('$and', '$or', '$nor').chain((name) =>
    fc
      .array(
        fc.oneof(
          { weight: 3, arbitrary: field },
          fc.array(field, { minLength: 1, maxLength: 3 }).map((list): Query => ({ $and: list })),
        ),
        { minLength: 1, maxLength: 3 },
      )
      .map((list): Query => ({ [name]: list })),
  ),
)
/** Orders and limits. */
export const options: fc.Arbitrary<ReadOptions> = fc.record({
  sort: fc
    .tuple(fc.constantFrom(...PATHS), fc.constantFrom<1 | -1>(1, -1))
    .map(([path, direction]): SortKey[] =>
      path === '_id'
        ? [[path, direction]]
        : [
            [path, direction],
            ['_id', 1],
          ],
    ),
  limit: fc.integer({ min: 1, max: 8 }),
})
