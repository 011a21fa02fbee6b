import type { Sink } from './sink.ts'

/**
 * Limits the average bytes of chunks that are joined for a single connection. Copying larger chunks costs
 * more than writing each.
 */
export const MAX_JOINED_BYTES = 16 * 1024

interface Joined {
  bytes: Buffer
  framed: Buffer
}

/**
 * Holds the chunks of one turn as a linked list: a last chunk, and the list before it. Connections with the
 * same chunks share the same list, so the list is joined once and takes no memory per connection.
 */
export class ChunkList {
  /** The list without its last chunk. The empty list refers to itself. */
  readonly before: ChunkList
  readonly last: Buffer
  /** The total bytes of all chunks. */
  readonly size: number
  /** The number of chunks. */
  readonly length: number

  #next: ChunkList | undefined
  #others: Map<Buffer, ChunkList> | undefined
  #joined: Joined | undefined
  #seen = false

  private constructor(before: ChunkList | undefined, last: Buffer) {
    this.before = before ?? this
    this.last = last
    this.size = (before?.size ?? 0) + last.length
    this.length = before ? before.length + 1 : 0
  }

  /** Creates an empty list. Connections that start with the same empty list share all later lists. */
  static begin(): ChunkList {
    return new ChunkList(undefined, NOTHING)
  }

  /** Returns the list with one more chunk. */
  plus(chunk: Buffer): ChunkList {
    // Tries the last result first, since a frame usually goes to one viewer after the other.
    const next = this.#next
    if (next?.last === chunk) return next
    let found = this.#others?.get(chunk)
    if (!found) {
      found = new ChunkList(this, chunk)
      this.#others ??= new Map()
      this.#others.set(chunk, found)
    }
    this.#next = found
    return found
  }

  /** Returns the chunks in order. */
  get chunks(): Buffer[] {
    const chunks: Buffer[] = []
    for (let list: ChunkList = this; list.before !== list; list = list.before) chunks.push(list.last)
    return chunks.reverse()
  }

  /**
   * Writes the list. The chunks are joined, except for large chunks of the first caller, who may be the only
   * one, and for sinks that want each chunk. Returns false when the sink's reader is behind.
   */
  writeTo(sink: Pick<Sink, 'write' | 'wantsChunks'>): boolean {
    const joins = !sink.wantsChunks
    if (joins && (this.#seen || this.size <= MAX_JOINED_BYTES * this.length)) this.#joined ??= this.#join()
    this.#seen = true
    if (joins && this.#joined) return sink.write(this.#joined.bytes, this.#joined.framed)
    let kept = true
    for (const chunk of this.chunks) kept = sink.write(chunk)
    return kept
  }

  /** Joins the chunks to one chunk of HTTP's chunked coding. */
  #join(): Joined {
    const head = `${this.size.toString(16)}\r\n`
    const end = head.length + this.size
    const framed = Buffer.allocUnsafe(end + 2)
    framed.write(head, 'latin1')
    framed.write('\r\n', end, 'latin1')
    let at = end
    for (let list: ChunkList = this; list.before !== list; list = list.before) {
      at -= list.last.length
      list.last.copy(framed, at)
    }
    // Keeps a single chunk itself, by which sinks that compress find its blocks.
    return { bytes: this.length === 1 ? this.last : framed.subarray(head.length, end), framed }
  }
}

const NOTHING = Buffer.alloc(0)
