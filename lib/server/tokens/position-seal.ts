/*
 * Encrypts and authenticates positions, so that a client can neither forge a position nor read how much
 * others write. The tag is SHA-256 over a key of one block, the length and the packed text, with the rights
 * XORed to its end. The tag is also the nonce of the key stream (a synthetic IV: Rogaway and Shrimpton,
 * 2006), so that no nonce travels. The key stream is SHA-256 over another key of one block, the tag and a
 * block's number. Both hashes are PRFs for texts of which none is a prefix of another (Bellare, Canetti and
 * Krawczyk, 1996). The rights take no room of their own, because their reader knows which ones it accepts
 * (redundancy authenticates: Bellare and Rogaway, 2000). A text with any change gets a random tag of 80 bits:
 * `open` wants 32 of them to be zeros, and `resume` wants the others to be one of three digests of rights.
 * So a forgery succeeds once in 2^78 attempts, and two of 2^40 texts share a key stream. The seal does not
 * contain the grant, because all connections of a broadcast group share an id line. The token instead says
 * since when each view is granted, in the stores' own positions, so that any node refuses an earlier
 * position. A count is sealed in each text, and each heartbeat makes new lines, so no text shows whether
 * anything was written. Keys derive from the secret (or a random one of this process) and the server: path,
 * roots, audience, stores.
 */
import { hash, randomBytes } from 'node:crypto'
import { NO_POSITION } from '../../protocol/position.ts'
import { PART, pack, unpack } from './position-pack.ts'
import { deriveKey } from './token.ts'

const KEY = 64
const LENGTH = 2
const TAG = 10
/** The index of the rights in a tag. */
const RIGHTS = TAG - PART
/** The bytes of the text before the packed position when a tag is computed. */
const HEAD = KEY + LENGTH
/** The bytes of a digest of SHA-256, each of which is a block of the key stream. */
const BLOCK = 32
/**
 * Pads packed texts to one of a few lengths, so that their length does not reveal the digits of a store's
 * position: 26 bytes hold every position of MongoDB, memory() and Redis, and 35 those of PostgreSQL. (With
 * the tag, a multiple of three uses all bits of each base64 character.)
 */
const LEAST = 26
const UNIT = 9
/** Limits the bytes of a position. No store has such long positions, and headers have a limit. */
const MAX_SIZE = 2_400
const FORM = /^[\w-]{48,3300}$/

/** Seals and opens the texts of positions, in one µs each. */
export class PositionSeal {
  /** Holds the key of tags, the length, and the packed text. */
  readonly #room = Buffer.alloc(HEAD + 4096)
  /** Holds the key of key streams, the tag, and a block's number. */
  readonly #stream = Buffer.alloc(KEY + TAG + 1)
  /** Holds a tag, and the encrypted text. */
  readonly #sealed = Buffer.alloc(TAG + 4096)
  /** Holds zeros, and the rights at their place in a tag. */
  readonly #mask = Buffer.alloc(TAG)
  readonly #rights = this.#mask.subarray(RIGHTS)
  /** Keeps the beginnings of the room by the size of the text, since making one takes 0.06 µs. */
  readonly #texts = new Map<number, Buffer>()
  #count = randomBytes(2).readUInt16BE()

  /**
   * @param context the facts that positions depend on besides the secret; servers with a different context
   *   refuse each other's positions
   */
  constructor(secret: string | Uint8Array | undefined, context: string) {
    const material = secret ?? randomBytes(32)
    // Fills one block of each hash with its key and zeros.
    this.#room.set(deriveKey(material, context, 'position tag'))
    this.#stream.set(deriveKey(material, context, 'position stream'))
  }

  /** Seals a position of ASCII characters. Returns a text of letters, digits, `_` and `-`. */
  seal(position: string): string {
    if (position.length > MAX_SIZE) return NO_POSITION
    const [room, sealed, mask] = [this.#room, this.#sealed, this.#mask]
    const end = pack(position, ++this.#count, this.#rights, room, HEAD)
    const size = LEAST + Math.ceil(Math.max(0, end - HEAD - LEAST) / UNIT) * UNIT
    for (let at = end; at < HEAD + size; at++) room[at] = 0
    const digest = this.#digest(size)
    for (let i = 0; i < TAG; i++) sealed[i] = digest.charCodeAt(i) ^ (mask[i] ?? 0)
    this.#crypt(sealed, size, room, HEAD, sealed, TAG)
    return sealed.toString('base64url', 0, TAG + size)
  }

  /**
   * Opens a sealed text. Returns undefined for a text that was not sealed with this secret and context.
   * Another text opens once in 2^32 attempts, with random rights.
   */
  open(text: string): string | undefined {
    if (!FORM.test(text)) return undefined
    const bytes = Buffer.from(text, 'base64url')
    const size = bytes.length - TAG
    if (size < LEAST || (size - LEAST) % UNIT !== 0 || bytes.toString('base64url') !== text) return undefined
    this.#crypt(bytes, size, bytes, TAG, this.#room, HEAD)
    const digest = Buffer.from(this.#digest(size), 'latin1')
    const rest = digest.subarray(0, TAG).map((byte, index) => byte ^ (bytes[index] ?? 0))
    if (rest.subarray(0, RIGHTS).some((byte) => byte !== 0)) return undefined
    return unpack(this.#room.subarray(HEAD, HEAD + size), Buffer.from(rest.subarray(RIGHTS)))
  }

  /** Computes the digest of the packed text of a size in the room: a string of one character per byte. */
  #digest(size: number): string {
    this.#room[KEY] = size >> 8
    this.#room[KEY + 1] = size
    const text = this.#texts.get(size) ?? this.#room.subarray(0, HEAD + size)
    this.#texts.set(size, text)
    return hash('sha256', text, 'binary')
  }

  /** Encrypts, or decrypts, bytes of a size with the key stream of a tag, which a buffer begins with. */
  #crypt(tag: Buffer, size: number, from: Buffer, fromAt: number, to: Buffer, toAt: number): void {
    const stream = this.#stream
    for (let i = 0; i < TAG; i++) stream[KEY + i] = tag[i] ?? 0
    for (let at = 0; at < size; at += BLOCK) {
      stream[KEY + TAG] = at / BLOCK
      const block = hash('sha256', stream, 'binary')
      for (let i = at; i < at + BLOCK && i < size; i++)
        to[toAt + i] = (from[fromAt + i] ?? 0) ^ block.charCodeAt(i - at)
    }
  }
}
