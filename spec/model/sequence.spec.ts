import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../lib/model/document.ts'
import { Entry, type Image, Sequence } from '../../lib/model/sequence.ts'

/** Makes entries of documents that are told apart by identity. */
function entriesOf(count: number): Entry[] {
  return Array.from({ length: count }, (_, _id) => new Entry({ _id }))
}

/** Fails unless a sequence has the entries of a plain array, by position, by index and as a whole. */
function expectSame(sequence: Sequence, plain: readonly Entry[]): void {
  const image = sequence.image()
  expect(sequence.size).to.equal(plain.length)
  expect(image.size).to.equal(plain.length)
  const documents = image.addTo([])
  expect(documents).to.have.length(plain.length)
  for (const [index, entry] of plain.entries()) {
    if (documents[index] !== entry.document) expect.fail(`Another document is at ${index}.`)
    if (image.at(index) !== entry.document) expect.fail(`at(${index}) gives another document.`)
    if (sequence.position(entry) !== index) expect.fail(`${index} is taken for ${sequence.position(entry)}.`)
  }
  expect(image.at(plain.length)).to.equal(undefined)
}

function sequenceOf(entries: readonly Entry[]): Sequence {
  const sequence = new Sequence()
  for (const entry of entries) sequence.add(entry)
  return sequence
}

describe('Sequence', () => {
  it('holds the entries of any number that it begins with', () => {
    for (const count of [0, 1, 31, 32, 33, 1024, 1025, 40_000]) {
      const entries = entriesOf(count)
      expectSame(sequenceOf(entries), entries)
    }
  })

  it('does what a plain array would do, while it grows and shrinks, and its images stay as they were', () => {
    // Weights make sequences grow to several levels, shrink to nothing, and grow again.
    const step = fc.record({
      weight: fc.constantFrom(0, 0.2, 0.5, 0.8, 1),
      count: fc.integer({ min: 1, max: 400 }),
      focus: fc.constantFrom<number | undefined>(undefined, 0, 0.5, 1),
    })
    fc.assert(
      fc.property(
        fc.nat(3000),
        fc.array(step, { maxLength: 12 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })),
        (count, steps, randoms) => {
          const plain = entriesOf(count)
          const sequence = sequenceOf(plain)
          const seen: [Image, Document[]][] = []
          const random = () => randoms.next().value ?? 0
          for (const { weight, count, focus } of steps) {
            for (let number = 0; number < count; number++) {
              const place = focus ?? random()
              const entry = plain[Math.min(Math.floor(place * plain.length), plain.length - 1)]
              if (random() < weight || !entry) {
                const fresh = new Entry({ number })
                const at = Math.floor(place * (plain.length + 1))
                const position = Math.min(at, plain.length)
                sequence.insert(fresh, position)
                plain.splice(position, 0, fresh)
              } else if (number % 3 === 0) {
                sequence.replace(entry, { number })
              } else {
                sequence.remove(entry)
                plain.splice(plain.indexOf(entry), 1)
              }
            }
            expectSame(sequence, plain)
            seen.push([sequence.image(), plain.map(({ document }) => document)])
          }
          for (const [image, documents] of seen) {
            const now = image.addTo([])
            expect(now.length === documents.length && now.every((one, at) => one === documents[at])).to.equal(
              true,
            )
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('gives the same image until a change, and shares all others of its parts with the next one', () => {
    const entries = entriesOf(100_000)
    const sequence = sequenceOf(entries)
    const before = sequence.image()
    expect(sequence.image()).to.equal(before)
    const runs = 2000
    const start = performance.now()
    for (let run = 0; run < runs; run++) {
      const entry = entries[(run * 7919) % entries.length]
      if (entry) sequence.replace(entry, { run })
      if (sequence.image().at((run * 7919) % entries.length)?.run !== run)
        expect.fail('The image is an old one.')
    }
    // A copy of all documents takes 500 µs and more.
    expect((performance.now() - start) / runs).to.be.lessThan(0.25)
    expect(before.at(7919)).to.deep.equal({ _id: 7919 })
  })
})
