import type { Sink } from './sink.ts'

/**
 * Lists of chunks that have more bytes than this on average are not joined for one connection alone: to copy
 * costs more than to write each.
 */
export const MAX_JOINED = 16 * 1024

interface Joined {
  bytes: Buffer
  framed: Buffer
}

/**
 * A list of chunks that connections gathered within one turn: a last chunk, and the list before it. Those who
 * gather the same chunks hold the very same list, so that what is made of it is made once, and to gather
 * costs no memory.
 */
export class ChunkList {
  /** The list without its last chunk; the empty list's is itself. */
  readonly before: ChunkList
  readonly last: Buffer
  /** The bytes of all chunks. */
  readonly size: number
  /** How many chunks there are. */
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

  /** The empty list: lists are shared by those who began with the same one. */
  static begin(): ChunkList {
    return new ChunkList(undefined, NOTHING)
  }

  /** This list and one more chunk. */
  plus(chunk: Buffer): ChunkList {
    // The one that came before is as a rule the one that comes again: a frame goes to one viewer after the
    // other.
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

  /** The chunks in order. */
  get chunks(): Buffer[] {
    const chunks: Buffer[] = []
    for (let list: ChunkList = this; list.before !== list; list = list.before) chunks.push(list.last)
    return chunks.reverse()
  }

  /**
   * Writes the list: joined, unless that is to copy large chunks for the one who asks first, and maybe alone.
   * False when the reader is behind, as the sink has it.
   */
  writeTo(sink: Pick<Sink, 'write'>): boolean {
    if (this.#seen || this.size <= MAX_JOINED * this.length) this.#joined ??= this.#join()
    this.#seen = true
    if (this.#joined) return sink.write(this.#joined.bytes, this.#joined.framed)
    let kept = true
    for (const chunk of this.chunks) kept = sink.write(chunk)
    return kept
  }

  /** Joins the chunks within the frame of one chunk of HTTP. */
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
    return { bytes: framed.subarray(head.length, end), framed }
  }
}

const NOTHING = Buffer.alloc(0)
