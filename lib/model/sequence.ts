import type { Document } from './document.ts'

/** Splits a chunk that has more entries. */
const MAX_ENTRIES = 512

/** Holds an immutable image of a sequence. Images of one sequence share all chunks that did not change. */
export class Image {
  readonly size: number
  readonly #chunks: readonly (readonly Document[])[]

  constructor(size: number, chunks: readonly (readonly Document[])[]) {
    this.size = size
    this.#chunks = chunks
  }

  /** Returns the document at an index. */
  at(index: number): Document | undefined {
    let rest = index
    for (const chunk of this.#chunks) {
      if (rest < chunk.length) return chunk[rest]
      rest -= chunk.length
    }
    return undefined
  }

  /** Adds all documents, in order, to an array. Returns the array. */
  addTo(array: Document[]): Document[] {
    for (const chunk of this.#chunks) for (const document of chunk) array.push(document)
    return array
  }
}

/** Holds one document of a sequence, and keeps its place when other documents come and go. */
export class Entry {
  chunk: Chunk | undefined
  document: Document

  constructor(document: Document) {
    this.document = document
  }
}

interface Chunk {
  readonly entries: Entry[]
  /** The documents of the entries, until the next change. */
  image?: readonly Document[] | undefined
}

/**
 * Keeps documents in order, in chunks of at most 512. Among n documents, an insertion, a removal, the search
 * for a position and an image after a change cost about 512 + n / 256 short steps.
 */
export class Sequence {
  size = 0
  #chunks: Chunk[] = []
  #image: Image | undefined

  /** Returns the current documents. The image is the same until a change. */
  image(): Image {
    this.#image ??= new Image(
      this.size,
      this.#chunks.map((chunk) => {
        chunk.image ??= chunk.entries.map(({ document }) => document)
        return chunk.image
      }),
    )
    return this.#image
  }

  position(entry: Entry): number {
    let position = 0
    for (const chunk of this.#chunks) {
      if (chunk === entry.chunk) return position + chunk.entries.indexOf(entry)
      position += chunk.entries.length
    }
    return position
  }

  /** Adds an entry at the end. */
  add(entry: Entry): void {
    let chunk = this.#chunks.at(-1)
    if (!chunk || chunk.entries.length >= MAX_ENTRIES / 2) {
      chunk = { entries: [] }
      this.#chunks.push(chunk)
    }
    chunk.entries.push(entry)
    this.#changed(chunk, entry, 1)
  }

  /** Inserts an entry at a position. */
  insert(entry: Entry, position: number): void {
    if (this.size === 0 || position >= this.size) {
      this.add(entry)
      return
    }
    let rest = position
    let index = 0
    // An insertion between two chunks goes to the end of the first one.
    for (const { entries } of this.#chunks) {
      if (rest <= entries.length) break
      rest -= entries.length
      index++
    }
    const chunk = this.#chunks[index] as Chunk
    chunk.entries.splice(rest, 0, entry)
    this.#changed(chunk, entry, 1)
    if (chunk.entries.length <= MAX_ENTRIES) return
    const half = { entries: chunk.entries.splice(MAX_ENTRIES / 2) }
    for (const each of half.entries) each.chunk = half
    this.#chunks.splice(index + 1, 0, half)
  }

  /** Replaces the document of an entry. */
  replace(entry: Entry, document: Document): void {
    entry.document = document
    this.#changed(entry.chunk, entry, 0)
  }

  remove(entry: Entry): void {
    const { chunk } = entry
    if (!chunk) return
    chunk.entries.splice(chunk.entries.indexOf(entry), 1)
    if (chunk.entries.length === 0) this.#chunks.splice(this.#chunks.indexOf(chunk), 1)
    this.#changed(chunk, entry, -1)
    entry.chunk = undefined
  }

  /** Counts the entries of a changed chunk, and drops its images. */
  #changed(chunk: Chunk | undefined, entry: Entry, added: number): void {
    entry.chunk = chunk
    this.size += added
    this.#image = undefined
    if (chunk) chunk.image = undefined
  }
}
