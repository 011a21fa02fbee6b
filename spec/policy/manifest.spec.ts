import { expect } from 'chai'
import { applyOp } from '../../lib/model/apply.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import type { DocumentOperation, Operation } from '../../lib/model/operation.ts'
import {
  filterDelta,
  filterPayload,
  type Manifest,
  needsDocument,
  parseManifest,
} from '../../lib/policy/manifest.ts'
import { failure } from '../support/failure.ts'

describe('parseManifest', () => {
  const refused: [string, unknown, RegExp][] = [
    ['false', false, /write \{\} to show no field/],
    ['nothing', undefined, /undefined/],
    ['null', null, /null/],
    ['a path', 'address.street', /\{ address: \{ street: true \} \}/],
    ['the path of the document', '.', /write true/],
    ['a list', ['email'], /array/],
    ['a date', new Date(), /plain object/],
    ['a function', () => true, /plain object/],
    ['a hidden field', { email: false }, /m\.email is false.*leave the field out/],
    ['a field of 0', { email: 0 }, /leave the field out/],
    ['a field of 1', { email: 1 }, /write true/],
    ['a field of undefined', { email: undefined }, /leave the field out/],
    ['a list of fields', { todos: [{ done: true }] }, /one element/],
    ['a dotted field', { 'address.street': true }, /\{ address: \{ street: true \} \}/],
    ['a field in brackets', { 'todos[5]': true }, /no path can name/],
    ['an empty name', { address: { '': true } }, /m\.address has an empty field name/],
    ['__proto__', JSON.parse('{ "__proto__": true }'), /__proto__/],
    ['constructor', { constructor: { name: true } }, /constructor/],
    ['prototype', { a: { prototype: true } }, /prototype/],
    ['a part of _id', { _id: { a: true } }, /passes whole/],
  ]
  for (const [name, value, message] of refused) {
    it(`refuses ${name}, and says what was meant`, () => {
      const { code, message: said } = failure(() => parseManifest(value, 'm'))
      expect(code).to.equal('INVALID_MANIFEST')
      expect(said).to.match(message)
    })
  }

  it('refuses a manifest that holds itself', () => {
    const manifest: { [name: string]: unknown } = {}
    manifest.a = { b: manifest }
    expect(failure(() => parseManifest(manifest, 'm')).message).to.match(/refers to itself/)
  })

  it('copies and freezes what it takes', () => {
    const given = { email: true, todo: { list: true }, _id: true, none: {}, 0: true }
    const manifest = parseManifest(given, 'm')
    expect(manifest).to.deep.equal(given)
    expect(manifest).not.to.equal(given)
    expect(manifest).to.be.frozen
    expect((manifest as { todo: Manifest }).todo).to.be.frozen
    expect(parseManifest(true, 'm')).to.equal(true)
    expect(parseManifest({}, 'm')).to.deep.equal({})
  })
})

describe('filterPayload', () => {
  const document: Document = {
    _id: 5,
    email: 'a@b',
    address: { street: 's', zip: 1, _id: 9 },
    todos: [{ done: true, note: 'n' }, 7, null, [{ done: false, note: 'm' }, 'x'], {}],
    secret1: 's',
    2: 'two',
  }
  const cases: [string, Manifest, Json][] = [
    ['only _id for {}', {}, { _id: 5 }],
    ['what is listed', { email: true, 2: true, gone: true }, { _id: 5, email: 'a@b', 2: 'two' }],
    ['_id at the root only', { address: { zip: true } }, { _id: 5, address: { zip: 1 } }],
    ['an _id below the root where it is listed', { address: { _id: true } }, { _id: 5, address: { _id: 9 } }],
    ['an object without visible fields as an empty one', { address: {} }, { _id: 5, address: {} }],
    ['no scalar below a partial manifest', { email: { a: true } }, { _id: 5 }],
    [
      'elements in their places, null for a scalar',
      { todos: { done: true } },
      { _id: 5, todos: [{ done: true }, null, null, [{ done: false }, null], {}] },
    ],
    [
      'nothing inherited',
      JSON.parse('{ "toString": true, "hasOwnProperty": true, "address": { "valueOf": true } }'),
      { _id: 5, address: {} },
    ],
  ]
  for (const [name, manifest, image] of cases) {
    it(`gives ${name}`, () => {
      const before = structuredClone(document)
      expect(filterPayload(manifest, document)).to.deep.equal(image)
      expect(filterPayload(manifest, [document, document])).to.deep.equal([image, image])
      expect(document).to.deep.equal(before)
    })
  }

  it('does not take a field that only a prototype has', () => {
    const heir: Document = Object.assign(Object.create({ email: 'SECRET' }), { _id: 1 })
    expect(filterPayload({ email: true }, heir)).to.deep.equal({ _id: 1 })
  })

  it('gives the documents themselves for true', () => {
    expect(filterPayload(true, document)).to.equal(document)
  })

  it('refuses what is no document, and does not tell it', () => {
    const { code, message } = failure(() => filterPayload({}, ['SECRET'] as unknown as Document[]))
    expect(code).to.equal('INVALID_OPERATION')
    expect(message).not.to.include('SECRET')
  })
})

const MANIFEST: Manifest = {
  email: true,
  address: { street: true, geo: { lat: true } },
  todos: { done: true, 17: true, list: true },
  tasks: { _id: true, done: true },
  2: { fa: true },
}

function op(
  operation: Operation['operation'],
  path: string,
  data?: Json,
  keys?: (string | number)[],
): DocumentOperation {
  const plain: DocumentOperation =
    data === undefined ? { operation, id: 1, path } : { operation, id: 1, path, data }
  return keys === undefined ? plain : { ...plain, keys }
}

describe('filterDelta without the document', () => {
  const pass = 'as it is'
  const cases: [string, DocumentOperation, DocumentOperation[] | typeof pass][] = [
    ['a visible field', op('set', 'email', 'x'), pass],
    ['a write below a visible field', op('inc', 'email.count', 1), pass],
    [
      'a pull below a visible field',
      op('pull', 'todos.0.list', { a: 1 }, ['todos', 0, 'list']),
      [op('pull', 'todos.0.list', { a: 1 })],
    ],
    ['a hidden field', op('set', 'secret1', 'x'), []],
    ['a hidden name with a digit', op('set', '2fa', 'x'), []],
    ['a hidden field of a partial parent', op('set', 'address.zip', 1), []],
    [
      'a parent',
      op('set', 'address', { street: 's', zip: 1, geo: { lat: 1, lng: 2 } }),
      [op('set', 'address', { street: 's', geo: { lat: 1 } })],
    ],
    ['a scalar in the place of a parent', op('set', 'address', 'all of it'), [op('unset', 'address')]],
    ['a null in the place of a parent', op('set', 'address', null), [op('unset', 'address')]],
    [
      'an array in the place of a parent',
      op('set', 'address', [{ zip: 1 }, 2]),
      [op('set', 'address', [{}, null])],
    ],
    ['a parent that goes', op('unset', 'address'), pass],
    ['an unset with data', op('unset', 'email', 'old'), [op('unset', 'email')]],
    ['a hidden field that goes', op('unset', 'address.zip'), []],
    [
      'the document',
      op('set', '.', { _id: 1, email: 'x', secret1: 's' }),
      [op('set', '.', { _id: 1, email: 'x' })],
    ],
    ['the document that goes', op('unset', '.'), pass],
    [
      'an element',
      op('set', 'todos.0', { done: true, note: 'n' }, ['todos', 0]),
      [op('set', 'todos.0', { done: true })],
    ],
    ['a scalar element', op('set', 'todos.0', 5, ['todos', 0]), [op('set', 'todos.0', null)]],
    ['an element that goes', op('unset', 'todos.0', undefined, ['todos', 0]), [op('unset', 'todos.0')]],
    [
      'a field of an element',
      op('set', 'todos.0.done', true, ['todos', 0, 'done']),
      [op('set', 'todos.0.done', true)],
    ],
    ['a hidden field of an element', op('set', 'todos.0.note', 'n'), []],
    [
      'a listed field named by a number',
      op('set', 'todos.17', 's', ['todos', '17']),
      [op('set', 'todos.17', 's')],
    ],
    [
      'a position equal to a listed name',
      op('set', 'todos.17', 's', ['todos', 17]),
      [op('set', 'todos.17', null)],
    ],
    ['a hidden field named by a number', op('set', 'todos.16', { done: 's' }, ['todos', '16']), []],
    [
      'a hidden field below one named by a number',
      op('set', 'todos.16.done', 's', ['todos', '16', 'done']),
      [],
    ],
    ['a number at the root, always a name', op('set', '2.fa', 1), pass],
    ['a number at the root that is hidden', op('set', '17.done', 1), []],
    ['a name that begins with 0', op('set', 'todos.01.done', 1), []],
    ['an element by id', op('set', 'tasks[5].done', true), pass],
    [
      'an element by id, whole',
      op('set', 'tasks[5]', { _id: 5, done: true, note: 'n' }),
      [op('set', 'tasks[5]', { _id: 5, done: true })],
    ],
    ['a hidden field of an element by id in hiding', op('set', 'notes[5].text', 'n'), []],
    ['a hidden field that is unset of an element by id', op('unset', 'tasks[5].note'), []],
    ['an inc without data', op('inc', 'tasks[5].done'), [op('inc', 'tasks[5].done', 1)]],
    ['a pop without data', op('pop', 'todos'), [op('pop', 'todos', 1)]],
    ['a noop without an id or a path', { operation: 'noop' } as DocumentOperation, []],
    ['a push', op('push', 'todos', { done: true, note: 'n' }), [op('push', 'todos', { done: true })]],
    ['a push of a scalar', op('push', 'todos', 's'), [op('push', 'todos', null)]],
    [
      'a push of several at a place',
      op('push', 'todos', { $each: [{ note: 'n' }, 1], $position: 0, $slice: -3 }),
      [op('push', 'todos', { $each: [{}, null], $position: 0, $slice: -3 })],
    ],
    [
      'a pushAll',
      op('pushAll', 'todos', [{ note: 'n', done: 1 }, 2]),
      [op('pushAll', 'todos', [{ done: 1 }, null])],
    ],
    ['a pop', op('pop', 'todos', 1), pass],
    ['a truncate', op('truncate', 'todos', 2), pass],
    ['an addToSet of something hidden', op('addToSet', 'tags', 's'), []],
    ['a rename within what is visible', op('rename', 'email', 'address.street'), pass],
    ['a rename into hiding', op('rename', 'email', 'mail'), [op('unset', 'email')]],
    ['a rename of a parent into hiding', op('rename', 'address', 'old'), [op('unset', 'address')]],
    ['a rename in hiding', op('rename', 'a', 'b'), []],
    ['a noop with data', op('noop', 'email', 's'), [op('noop', 'email')]],
    ['a hidden noop', op('noop', 'mail', 's'), []],
    ['a hidden field with a dot in its name', op('set', 'address.street', 's', ['address.street']), []],
  ]
  for (const [name, given, expected] of cases) {
    it(`passes what is visible of ${name}`, () => {
      const before = structuredClone(given)
      expect(filterDelta(MANIFEST, [given])).to.deep.equal(expected === pass ? [given] : expected)
      expect(needsDocument(MANIFEST, given)).to.equal(false)
      expect(given).to.deep.equal(before)
    })
  }

  const needing: [DocumentOperation, string][] = [
    [op('pull', 'todos', { note: 'SECRET' }), 'todos'],
    [op('pullAll', 'todos', [{ done: 1 }]), 'todos'],
    [op('addToSet', 'todos', { done: 1 }), 'todos'],
    [op('push', 'todos', { $each: [], $sort: { SECRET: 1 } }), 'todos'],
    [op('push', 'todos', { $each: 'SECRET' }), 'todos'],
    [op('pop', 'todos', 'SECRET'), 'todos'],
    [op('inc', 'address.geo', 1), 'address.geo'],
    [op('mul', 'address', 1), 'address'],
    [op('min', 'address', { SECRET: 1 }), 'address'],
    [op('max', 'address', 1), 'address'],
    [op('rename', 'SECRET', 'email'), '*'],
    [op('rename', 'address', 'email'), 'address'],
    [op('rename', 'email', 'address'), 'email'],
    [op('set', 'todos[SECRET].done', true), 'todos.*.done'],
    // The element may be made by it, which shows.
    [op('set', 'todos[SECRET].note', 'SECRET'), 'todos.*.*'],
    [op('set', 'tasks[SECRET].note', 'SECRET'), 'tasks.*.*'],
    [op('set', 'tasks[SECRET].note', 'SECRET', ['tasks', 1, 'note']), 'tasks.*.*'],
    [op('set', 'email.a.b', 's', ['email', 'a.b']), 'email'],
  ]
  for (const [given, pattern] of needing) {
    it(`asks for the document for a ${given.operation} of ${given.path}, and tells no data`, () => {
      expect(needsDocument(MANIFEST, given)).to.equal(true)
      const { code, message } = failure(() => filterDelta(MANIFEST, [given]))
      expect(code).to.equal('DOCUMENT_NEEDED')
      expect(message).to.include(`${given.operation} of ${pattern} `).and.not.to.include('SECRET')
    })
  }

  it('takes an integer that nothing explains for a position, or for a name that is listed, and says that it guessed', () => {
    expect(filterDelta(MANIFEST, [op('set', 'todos.0.done', true)])).to.deep.equal([
      op('set', 'todos.0.done', true),
    ])
    expect(filterDelta(MANIFEST, [op('set', 'todos.17', 5)])).to.deep.equal([op('set', 'todos.17', 5)])
    expect(needsDocument(MANIFEST, op('set', 'todos.0.done', true))).to.equal(true)
    expect(needsDocument(MANIFEST, op('set', 'todos.17', 5))).to.equal(true)
    expect(needsDocument(true, op('set', 'todos.17', 5))).to.equal(false)
  })

  it('passes everything but keys for true', () => {
    expect(filterDelta(true, [op('pull', 'a.0', { b: 1 }, ['a', 0])])).to.deep.equal([
      op('pull', 'a.0', { b: 1 }),
    ])
  })

  it('refuses malformed operations without telling their data', () => {
    for (const bad of [
      op('inc', '.', 'SECRET'),
      op('set', '.', 'SECRET'),
      op('rename', 'email', ['SECRET']),
    ]) {
      const { code, message } = failure(() => filterDelta(MANIFEST, [bad]))
      expect(code).to.equal('INVALID_OPERATION')
      expect(message).not.to.include('SECRET')
    }
    expect(failure(() => filterDelta({}, [op('set', 'a.__proto__.b', 1)])).code).to.equal('INVALID_PATH')
  })
})

describe('filterDelta with the document', () => {
  const document: Document = {
    _id: 1,
    email: 'x',
    address: { street: 's', zip: 1 },
    todos: [
      { _id: 5, done: true, note: 'n' },
      { _id: 6, done: false, note: 'm', list: [1] },
    ],
  }

  function replay(ops: DocumentOperation[], from: Document = document): Document | undefined {
    return structuredClone(ops).reduce<Document | undefined>(applyOp, structuredClone(from))
  }

  const cases: [string, DocumentOperation[], DocumentOperation[]][] = [
    [
      'a pull by a hidden field becomes a set of the array',
      [op('pull', 'todos', { note: 'n' })],
      [op('set', 'todos', [{ done: false, list: [1] }])],
    ],
    [
      'a rename out of hiding becomes a set',
      [op('rename', 'address.zip', 'address.street')],
      [op('set', 'address.street', 1)],
    ],
    [
      'a rename of a parent sets and unsets',
      [op('rename', 'address', 'email')],
      [op('unset', 'address'), op('set', 'email', { street: 's', zip: 1 })],
    ],
    [
      'a rename of what is not there unsets what is not there',
      [op('rename', 'gone', 'email.a')],
      [op('set', 'email', 'x')],
    ],
    [
      'what comes before and after it is not applied twice',
      [
        op('push', 'todos', { done: 1 }),
        op('pull', 'todos', { note: 'n' }),
        op('push', 'todos', { done: 2 }),
        op('set', 'email', 'y'),
      ],
      [op('set', 'todos', [{ done: false, list: [1] }, { done: 1 }, { done: 2 }]), op('set', 'email', 'y')],
    ],
    [
      'an element by an id that the client does not hold',
      [op('set', 'todos[6].done', true)],
      [op('set', 'todos', [{ done: true }, { done: true, list: [1] }])],
    ],
    [
      'a position is told from a name',
      [op('set', 'todos.0.done', false)],
      [op('set', 'todos.0.done', false)],
    ],
    [
      'several positions are',
      [op('set', 'todos.0.done', false), op('inc', 'todos.1.list.0', 1)],
      [op('set', 'todos.0.done', false), op('inc', 'todos.1.list.0', 1)],
    ],
    ['a name is told from a position', [op('set', 'address.0.street', 's')], []],
    ['a position equal to a listed name is', [op('set', 'todos.17', 7)], [op('set', 'todos.17', null)]],
    ['a name that begins with 0 is a name', [op('set', 'address.01.street', 's')], []],
    ['a hidden write in an element that shows something stays hidden', [op('set', 'todos.0.note', 'z')], []],
    [
      'a hidden write that pads an array shows the padding',
      [op('truncate', 'todos', 0), op('set', 'todos.1.note', 'z')],
      [op('truncate', 'todos', 0), op('set', 'todos', [null, {}])],
    ],
    [
      'padding shows though elements moved since',
      [
        op('truncate', 'todos', 1),
        op('set', 'todos.1.note', 'z'),
        op('push', 'todos', { $each: [{ done: 9 }], $position: 0 }),
      ],
      [
        op('truncate', 'todos', 1),
        op('push', 'todos', { $each: [{ done: 9 }], $position: 0 }),
        op('set', 'todos', [{ done: 9 }, { done: true }, {}]),
      ],
    ],
    [
      'a hidden write that creates its parents shows them',
      [op('set', 'address.geo.lng', 3)],
      [op('set', 'address.geo', {})],
    ],
    [
      'a scalar that shows nothing but its parents',
      [op('unset', 'address'), op('set', 'address.geo', 3)],
      [op('unset', 'address'), op('unset', 'address.geo'), op('set', 'address', {})],
    ],
    [
      'a rename into hiding that creates its parents shows them',
      [op('rename', 'email', 'address.geo.lng')],
      [op('unset', 'email'), op('set', 'address.geo', {})],
    ],
    [
      'no path is sent below one that is sent whole',
      [
        op('set', 'address.street', 't'),
        op('pull', 'todos', { note: 'n' }),
        op('set', 'address', { street: 'u' }),
      ],
      [op('set', 'todos', [{ done: false, list: [1] }]), op('set', 'address', { street: 'u' })],
    ],
    [
      'a field with a dot in its name is sent with its parent',
      [op('set', 'email', 'x', ['email']), op('set', 'email', { 'a.b': 1 })],
      [op('set', 'email', 'x'), op('set', 'email', { 'a.b': 1 })],
    ],
  ]
  for (const [name, ops, expected] of cases) {
    it(name, () => {
      const final = replay(ops)
      const sent = filterDelta(MANIFEST, ops, () => final)
      expect(sent).to.deep.equal(expected)
      expect(replay(sent, filterPayload(MANIFEST, document))).to.deep.equal(
        filterPayload(MANIFEST, final ?? {}),
      )
    })
  }

  it('does not take a hidden name for a position because an array came in its place later', () => {
    const ops = [op('set', 'address.0.street', 'SECRET'), op('set', 'address', [{ street: 's', zip: 1 }])]
    const final = replay(ops)
    expect(filterDelta(MANIFEST, ops, () => final)).to.deep.equal([op('set', 'address', [{ street: 's' }])])
  })

  it('sends a parent where a path can not say what its keys say', () => {
    const final: Document = { _id: 1, a: { 'b.c': 2 } }
    const given = [op('set', 'a.b.c', 2, ['a', 'b.c'])]
    expect(filterDelta(true, given, () => final)).to.deep.equal([op('set', 'a', { 'b.c': 2 })])
    expect(filterDelta({ a: { b: true } }, given, () => final)).to.deep.equal([op('set', 'a', {})])
  })

  it('removes a document that is gone', () => {
    expect(
      filterDelta(MANIFEST, [op('pull', 'todos', 1), op('set', 'email', 'x')], () => undefined),
    ).to.deep.equal([op('unset', '.')])
  })

  it('asks only for the documents that it needs, each once, ids told apart by type', () => {
    const asked: Json[] = []
    const pull = (id: Json): DocumentOperation => ({ operation: 'pull', id, path: 'todos', data: 1 })
    const given = [pull(2), { ...op('set', 'email', 'x'), id: 3 }, pull('2'), pull(2)]
    filterDelta(MANIFEST, given, (id) => {
      asked.push(id)
      return { _id: id }
    })
    expect(asked).to.deep.equal([2, '2'])
  })
})
