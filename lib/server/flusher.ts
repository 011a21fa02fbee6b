/** Something that gathers chunks within a turn of the event loop and writes them at its end. */
export interface Flushable {
  /** The chunks gathered; the flusher empties it. */
  pending: Buffer[]
  /** `framed` holds the same bytes as one chunk of HTTP's chunked coding. */
  write(bytes: Buffer, framed?: Buffer): void
}

/** Lists of chunks with more bytes than this are not joined for one connection alone: copying would cost more than several writes. */
export const MOST_JOINED = 16 * 1024

/** Chunks that were joined, and framed for HTTP in the same memory. */
interface Joined {
  bytes: Buffer
  framed: Buffer
}

/** What is known of all lists that begin alike. */
interface Beginning {
  next: Map<Buffer, Beginning> | undefined
  joined: Joined | undefined
  /** Whether someone has gathered just this list. */
  seen: boolean
}

/**
 * Writes what each connection gathered within one turn of the event loop in one piece. Connections that gathered the same chunks, which is
 * the rule among those of one view, share the joined buffer.
 */
export class Flusher {
  #dirty: Flushable[] = []
  #scheduled = false

  add(flushable: Flushable): void {
    this.#dirty.push(flushable)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.flush())
  }

  flush(): void {
    this.#scheduled = false
    const dirty = this.#dirty
    this.#dirty = []
    const root = beginning()
    let last: readonly Buffer[] = []
    let joined: Joined | undefined
    for (const flushable of dirty) {
      const chunks = flushable.pending
      if (chunks.length === 0) continue
      flushable.pending = []
      if (!joined || !areSame(chunks, last)) {
        joined = share(root, chunks)
        last = chunks
      }
      if (joined) flushable.write(joined.bytes, joined.framed)
      else for (const chunk of chunks) flushable.write(chunk)
    }
  }
}

/** Writes chunks that only one connection has. */
export function writeAlone(flushable: Pick<Flushable, 'write'>, chunks: readonly Buffer[]): void {
  if (sizeOf(chunks) > MOST_JOINED) for (const chunk of chunks) flushable.write(chunk)
  else {
    const { bytes, framed } = join(chunks)
    flushable.write(bytes, framed)
  }
}

/** The chunks joined; undefined for a long list that nobody else has gathered so far. */
function share(root: Beginning, chunks: readonly Buffer[]): Joined | undefined {
  let node = root
  for (const chunk of chunks) {
    node.next ??= new Map()
    let next = node.next.get(chunk)
    if (!next) {
      next = beginning()
      node.next.set(chunk, next)
    }
    node = next
  }
  if (node.seen || sizeOf(chunks) <= MOST_JOINED) node.joined ??= join(chunks)
  node.seen = true
  return node.joined
}

function beginning(): Beginning {
  return { next: undefined, joined: undefined, seen: false }
}

function areSame(chunks: readonly Buffer[], others: readonly Buffer[]): boolean {
  if (chunks.length !== others.length) return false
  for (let index = 0; index < chunks.length; index++) if (chunks[index] !== others[index]) return false
  return true
}

function sizeOf(chunks: readonly Buffer[]): number {
  let size = 0
  for (const chunk of chunks) size += chunk.length
  return size
}

function join(chunks: readonly Buffer[]): Joined {
  const size = sizeOf(chunks)
  const head = `${size.toString(16)}\r\n`
  const framed = Buffer.allocUnsafe(head.length + size + 2)
  let at = framed.write(head, 'latin1')
  for (const chunk of chunks) at += chunk.copy(framed, at)
  framed.write('\r\n', at, 'latin1')
  return { bytes: framed.subarray(head.length, at), framed }
}
