import { constants, crc32, deflateRawSync } from 'node:zlib'
import type { Sink } from '../delivery/sink.ts'

/** The head of a gzip stream (RFC 1952): deflate, no name, no time, an unknown system. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
/** The last block of a gzip stream, which is empty. The checksum and the length follow it. */
const LAST_BLOCK = Buffer.from([1, 0, 0, 0xff, 0xff])

/**
 * Limits the bytes that are compressed. A delta of 154 bytes would become one of 145, since its sealed
 * position can't shrink, and would take 25 µs, three times the cost of its delivery. 64 KB of a payload
 * become 5 to 9 KB in 0.3 to 0.6 ms; much more would hold up the event loop.
 */
const MIN_COMPRESSED = 2 * 1024
const MAX_COMPRESSED = 512 * 1024
/**
 * Sets the bytes from which a buffer of several sinks is compressed, since they share the cost: five changes
 * of 336 bytes become 233 in 18 µs, ten of 575 become 312.
 */
const MIN_SHARED = 256

/** The length of a block that holds its bytes as they are (RFC 1951, 3.2.4), and of the head of the block. */
const MAX_STORED = 0xffff
const STORED_HEAD = 5

/** Holds bytes as blocks of deflate, and the same as one chunk of HTTP's chunked coding. */
interface Encoded {
  bytes: Buffer
  framed: Buffer
  /** The fewest bytes of a buffer that was compressed for it. */
  min: number
}

/** The blocks of buffers that many sinks write: the parts of a snapshot, and the events of a group. */
const shared = new WeakMap<Buffer, Encoded>()

/**
 * Compresses a stream by gzip, and keeps no compressor: each write becomes blocks that refer to nothing
 * before them and end at a byte. So the blocks of one buffer are the same on every connection, and a client
 * can read each event at once.
 *
 *    head | blocks of a payload | stored block of a delta | ... | last block, checksum, length
 */
export class GzipSink implements Sink {
  readonly wantsChunks = true
  readonly #sink: Sink
  #begun = false
  /** The checksum and the length of all bytes so far. */
  #checksum = 0
  #length = 0

  constructor(sink: Sink) {
    this.#sink = sink
  }

  write(bytes: Buffer): boolean {
    this.#begin()
    // Has no blocks, and an empty chunk would end the response.
    if (bytes.length === 0) return this.#sink.write(bytes)
    this.#checksum = crc32(bytes, this.#checksum)
    this.#length = (this.#length + bytes.length) >>> 0
    let encoded = shared.get(bytes)
    if (!encoded || (bytes.length < encoded.min && bytes.length >= MIN_SHARED)) {
      encoded = encode(bytes, encoded ? MIN_SHARED : MIN_COMPRESSED)
      shared.set(bytes, encoded)
    }
    return this.#sink.write(encoded.bytes, encoded.framed)
  }

  buffered(): number {
    return this.#sink.buffered()
  }

  onDrain(listener: () => void): void {
    this.#sink.onDrain(listener)
  }

  end(): void {
    this.#begin()
    const sums = Buffer.alloc(8)
    sums.writeUInt32LE(this.#checksum)
    sums.writeUInt32LE(this.#length, 4)
    this.#sink.write(Buffer.concat([LAST_BLOCK, sums]))
    this.#sink.end()
  }

  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#sink.write(HEAD)
  }
}

function encode(bytes: Buffer, min: number): Encoded {
  const blocks = blocksOf(bytes, min)
  const head = Buffer.from(`${blocks.length.toString(16)}\r\n`)
  const chunk = Buffer.concat([head, blocks, Buffer.from('\r\n')])
  return { bytes: chunk.subarray(head.length, head.length + blocks.length), framed: chunk, min }
}

/** Returns bytes as blocks of deflate that end at a byte and are not the last. */
function blocksOf(bytes: Buffer, min: number): Buffer {
  if (bytes.length < min || bytes.length > MAX_COMPRESSED) return stored(bytes)
  return deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
}

function stored(bytes: Buffer): Buffer {
  const blocks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += MAX_STORED) {
    const part = bytes.subarray(at, at + MAX_STORED)
    const head = Buffer.alloc(STORED_HEAD)
    head.writeUInt16LE(part.length, 1)
    head.writeUInt16LE(~part.length & MAX_STORED, 3)
    blocks.push(head, part)
  }
  return Buffer.concat(blocks)
}
