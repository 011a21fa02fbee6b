import { expect } from 'chai'
import fc from 'fast-check'
import { ParticleError } from '../../lib/errors.ts'
import { applyOp } from '../../lib/model/apply.ts'
import type { Document, Json } from '../../lib/model/document.ts'
import type { DocumentOperation } from '../../lib/model/operation.ts'
import { hideFields } from '../../lib/policy/fields.ts'
import { filterDelta, filterPayload, type Manifest, needsDocument } from '../../lib/policy/manifest.ts'
import {
  applied,
  type Chooser,
  canonicalOperation,
  choosers,
  clone,
  isFields,
  keysOf,
  manifests,
  operationOn,
  walkOf,
} from './generated.ts'

type Documents = Map<Json, Document | undefined>

function image(manifest: Manifest, document: Document | undefined): Document | undefined {
  return document === undefined ? undefined : clone(filterPayload(manifest, document))
}

/** What a client holds after these operations. */
function follow(documents: Documents, oplist: readonly DocumentOperation[]): Documents {
  const held: Documents = new Map(documents)
  for (const op of clone(oplist)) held.set(op.id, applyOp(held.get(op.id), op))
  return held
}

/** Applies up to four operations that fit, on one or two documents. */
function history(choose: Chooser, documents: Documents): { oplist: DocumentOperation[]; after: Documents } {
  const oplist: DocumentOperation[] = []
  const after: Documents = structuredClone(documents)
  const ids = [...documents.keys()]
  const wanted = 1 + choose.below(4)
  for (let tries = 0; tries < 12 && oplist.length < wanted; tries++) {
    const id = choose.of(ids)
    const document = after.get(id)
    if (document === undefined) continue
    const op = operationOn(document, choose, id)
    const next = applied(document, op)
    if (next === 'refused') continue
    const keys = choose.below(2) === 0 ? keysOf(document, op.path) : undefined
    oplist.push(keys === undefined ? op : { ...op, keys })
    after.set(id, next)
  }
  return { oplist, after }
}

function documentsOf(choose: Chooser): Documents {
  const one = choose.document(1)
  return new Map(
    choose.below(4) === 3
      ? [
          [1, one],
          [2, choose.document(2)],
        ]
      : [[1, one]],
  )
}

function imagesOf(manifest: Manifest, documents: Documents): Documents {
  return new Map([...documents].map(([id, document]) => [id, image(manifest, document)]))
}

describe('The field law', () => {
  it('writes the same JSON for a snapshot as for every other image', () => {
    fc.assert(
      fc.property(manifests, choosers, (manifest, choose) => {
        const document = choose.document(1)
        const before = clone(document)
        expect(JSON.stringify(hideFields(manifest, document))).to.equal(
          JSON.stringify(filterPayload(manifest, document)),
        )
        expect(document).to.deep.equal(before)
      }),
    )
  })

  it('holds for all operations where the document can be looked up', () => {
    fc.assert(
      fc.property(manifests, choosers, (manifest, choose) => {
        const documents = documentsOf(choose)
        const { oplist, after } = history(choose, documents)
        const given = structuredClone({ manifest, oplist, after: [...after] })
        const filtered = filterDelta(manifest, oplist, (id) => after.get(id))
        expect({ manifest, oplist, after: [...after] }).to.deep.equal(given)
        const held = follow(imagesOf(manifest, documents), filtered)
        expect([...held], JSON.stringify({ manifest, documents: [...documents], oplist })).to.deep.equal([
          ...imagesOf(manifest, after),
        ])
      }),
      { numRuns: 3000 },
    )
  })

  it('holds for single operations, looked up', () => {
    fc.assert(
      fc.property(manifests, choosers, (manifest, choose) => {
        const document = choose.document(1)
        const op = operationOn(document, choose, 1)
        const after = applied(document, op)
        fc.pre(after !== 'refused')
        const held = follow(
          new Map([[1, image(manifest, document)]]),
          filterDelta(manifest, [op], () => after),
        )
        expect(held.get(1)).to.deep.equal(image(manifest, after))
      }),
      { numRuns: 3000 },
    )
  })

  it('holds without the document for operations as sources report them, but for those that say they need it', () => {
    let needed = 0
    let passed = 0
    fc.assert(
      fc.property(manifests, choosers, (manifest, choose) => {
        const document = choose.document(1)
        const oplist: DocumentOperation[] = []
        let after: Document | undefined = clone(document)
        for (let tries = 0; tries < 12 && oplist.length < 4 && after !== undefined; tries++) {
          const op = operationOn(after, choose, 1)
          const next = applied(after, op)
          if (next === 'refused') continue
          const reported: DocumentOperation | undefined = canonicalOperation(after, next ?? {}, op)
          if (reported === undefined) continue
          if (choose.below(3) === 2) delete reported.keys
          if (needsDocument(manifest, reported)) {
            needed++
            // A guess is no refusal: it is taken where nobody can look the document up.
            if (reported.keys !== undefined) expectNeed(manifest, reported)
            continue
          }
          passed++
          oplist.push(reported)
          after = next
        }
        const held = follow(new Map([[1, image(manifest, document)]]), filterDelta(manifest, oplist))
        expect(held.get(1), JSON.stringify({ manifest, document, oplist })).to.deep.equal(
          image(manifest, after),
        )
      }),
      { numRuns: 2000 },
    )
    expect(needed).to.be.above(50)
    expect(passed).to.be.above(1000)
  })

  it('has images that are their own images', () => {
    fc.assert(
      fc.property(manifests, choosers, (manifest, choose) => {
        const document = choose.document(1)
        const given = clone(document)
        const once = filterPayload(manifest, document)
        expect(filterPayload(manifest, once)).to.deep.equal(once)
        expect(filterPayload(manifest, [document])).to.deep.equal([once])
        expect(document).to.deep.equal(given)
        expect(once._id).to.equal(1)
      }),
      { numRuns: 500 },
    )
  })

  it('lets nothing hidden out, neither a value nor a name, looked up or not', () => {
    let secrets = 0
    fc.assert(
      fc.property(manifests, choosers, (manifest, choose) => {
        const document = mark(manifest, choose.document(1) as Json, true) as Document
        const oplist: DocumentOperation[] = []
        let after: Document | undefined = clone(document)
        for (let tries = 0; tries < 12 && oplist.length < 3 && after !== undefined; tries++) {
          const op = operationOn(after, choose, 1)
          // A rename may make visible what was hidden: that is its meaning.
          if (op.operation === 'rename') continue
          if (op.operation === 'unset' && choose.below(2) === 0) op.data = 'SECRET old value'
          const marked = markData(manifest, op, after)
          // Within a subtree that is visible as a whole this name is no secret.
          if (marked === undefined) continue
          const next = applied(after, marked)
          if (next === 'refused') continue
          oplist.push({ ...marked, keys: keysOf(after, op.path) } as DocumentOperation)
          after = next
        }
        const final = after
        secrets += Number(/SECRET/.test(JSON.stringify([document, oplist])))
        const bare = oplist.map(({ keys: _keys, ...op }) => op)
        const sent = [
          filterPayload(manifest, document),
          filterDelta(manifest, oplist.map(withoutAbsent), () => final),
          filterDelta(manifest, bare, () => final),
          oplist
            .map(withoutAbsent)
            .filter((op) => op.keys !== undefined)
            .map((op) => sentOrSaid(manifest, op)),
        ]
        expect(JSON.stringify(sent), JSON.stringify({ manifest, document, oplist, final })).not.to.include(
          'SECRET',
        )
      }),
      { numRuns: 1500, endOnFailure: true },
    )
    expect(secrets).to.be.above(500)
  })
})

const NEEDING = ['pull', 'pullAll', 'addToSet', 'push', 'rename', 'inc', 'mul', 'min', 'max']

function expectNeed(manifest: Manifest, op: DocumentOperation): void {
  expect(() => filterDelta(manifest, [op]))
    .to.throw(ParticleError)
    .with.property('code', 'DOCUMENT_NEEDED')
  expect(op.operation).to.be.oneOf(NEEDING)
  if (op.operation === 'push') expect(op.data).to.have.property('$sort')
}

function sentOrSaid(manifest: Manifest, op: DocumentOperation): unknown {
  try {
    return filterDelta(manifest, [op])
  } catch (error) {
    return String(error)
  }
}

function withoutAbsent(op: DocumentOperation): DocumentOperation {
  const { keys, ...rest } = op
  return keys === undefined ? rest : op
}

/** Puts a sentinel in place of all strings and numbers that a manifest hides. */
function mark(node: Manifest | undefined, value: Json, atRoot = false): Json {
  if (node === true) return markVisible(value)
  if (Array.isArray(value)) return value.map((element) => mark(node, element))
  if (!isFields(value)) return value === null ? null : `SECRET ${value}`
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      const below = node !== undefined && Object.hasOwn(node, name) ? node[name] : undefined
      return [name, atRoot && name === '_id' ? inner : mark(below, inner)]
    }),
  )
}

/** A visible value may have any names, so that the sentinel's must go. */
function markVisible(value: Json): Json {
  return JSON.parse(JSON.stringify(value).replaceAll('SECRET', 'public'))
}

function markData(
  manifest: Manifest,
  op: DocumentOperation,
  document: Document,
): DocumentOperation | undefined {
  const data = op.data ?? null
  if (op.path === '.') return { ...op, data: mark(manifest, data, true) }
  let node: Manifest | undefined = manifest
  for (const [index, name] of walkOf(document, op.path).entries()) {
    if (node === true || node === undefined) break
    if (typeof name === 'string' || index === 0) {
      const next: Manifest | undefined = Object.hasOwn(node, name) ? node[name] : undefined
      node = next
    }
  }
  if (node === true) return op.path.includes('SECRET') ? undefined : { ...op, data: markVisible(data) }
  if (isFields(data) && Array.isArray(data.$each)) {
    return { ...op, data: { ...data, $each: mark(node, data.$each) } }
  }
  return typeof data === 'number' ? op : { ...op, data: mark(node, data) }
}
