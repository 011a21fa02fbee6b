import type { Document } from '../../model/document.ts'

/** Holds some neighbouring documents of a root, as they are in the store. */
export interface Chunk {
  readonly key: number
  readonly documents: readonly Document[]
  /** The length of the text. */
  readonly size: number
}

/**
 * The length from which a chunk is full, in characters. Browsers keep values of up to 64 KB in place, and
 * others in files of their own.
 */
const FULL = 24_000
/** Counts the documents after the expected place in which an unchanged chunk is looked for. */
const LOOK_AHEAD = 1_000

/**
 * Divides the documents of a root into unchanged chunks and the documents between them. Chunks that are far
 * from full are joined with the changed documents beside them, so that many small changes don't leave many
 * small chunks. Compares documents by reference, since a changed document is another object.
 */
export function align(chunks: readonly Chunk[], documents: readonly Document[]): (Chunk | Document[])[] {
  const parts: (Chunk | Document[])[] = []
  let at = 0
  let skipped = 0
  for (const chunk of chunks) {
    const found = find(chunk, documents, at, at + skipped + LOOK_AHEAD)
    if (found < 0) {
      skipped += chunk.documents.length
      continue
    }
    add(parts, documents.slice(at, found))
    if (isSmall(chunk) && Array.isArray(parts.at(-1))) add(parts, chunk.documents)
    else parts.push(chunk)
    at = found + chunk.documents.length
    skipped = 0
  }
  add(parts, documents.slice(at))
  return parts
}

/** Adds changed documents to those before them. */
function add(parts: (Chunk | Document[])[], documents: readonly Document[]): void {
  if (documents.length === 0) return
  let last = parts.at(-1)
  if (last && !Array.isArray(last) && isSmall(last)) {
    last = [...last.documents]
    parts[parts.length - 1] = last
  }
  if (!Array.isArray(last)) {
    last = []
    parts.push(last)
  }
  for (const document of documents) last.push(document)
}

function isSmall({ size }: Chunk): boolean {
  return size < FULL / 2
}

/** Returns where the documents of a chunk stand unchanged in a row; -1 where they don't. */
function find(
  { documents: wanted }: Chunk,
  documents: readonly Document[],
  from: number,
  to: number,
): number {
  for (let at = from; at <= Math.min(to, documents.length - wanted.length); at++) {
    if (documents[at] !== wanted[0]) continue
    return wanted.every((document, index) => documents[at + index] === document) ? at : -1
  }
  return -1
}

/** Writes the texts of changed documents. Calls `pause` after each document. */
export async function chunksOf(
  documents: readonly Document[],
  nextKey: () => number,
  pause: () => Promise<void> | undefined,
): Promise<{ chunks: Chunk[]; put: [key: number, text: string][] }> {
  const chunks: Chunk[] = []
  const put: [number, string][] = []
  let texts: string[] = []
  let size = 0
  let start = 0
  const end = (next: number) => {
    const key = nextKey()
    chunks.push({ key, documents: documents.slice(start, next), size })
    put.push([key, `[${texts.join()}]`])
    texts = []
    size = 0
    start = next
  }
  for (const [index, document] of documents.entries()) {
    const text = JSON.stringify(document)
    if (size > 0 && size + text.length > FULL) end(index)
    texts.push(text)
    size += text.length
    const pausing = pause()
    if (pausing) await pausing
  }
  if (size > 0) end(documents.length)
  return { chunks, put }
}
