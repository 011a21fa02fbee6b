/*
 * Encrypts and authenticates positions, so that a client can neither forge a position nor read how much
 * others write. The tag, SHA-256 over a key of one block, the length and the packed text, is also the
 * nonce of the key stream (a synthetic IV: Rogaway and Shrimpton, 2006), so that no nonce travels. The key
 * stream is SHA-256 over another key of one block, the tag and a block's number. Both hashes are PRFs for
 * texts of which none is a prefix of another (Bellare, Canetti and Krawczyk, 1996). A forgery succeeds
 * once in 2^88 attempts, and two of 2^44 texts share a key stream. The seal contains the view set, but not
 * the grant, because all connections of a broadcast group share an id line. The token instead says since
 * when each view is granted, in the stores' own positions, so that any node refuses an earlier position. A
 * count is sealed in each text, and each heartbeat makes new lines, so no text shows whether anything was
 * written. Keys derive from the secret (or a random one of this process) and the server: path, roots,
 * audience, stores.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { NO_POSITION } from '../../protocol/position.ts'
import { pack, unpack } from './position-pack.ts'
import { deriveKey } from './token.ts'

const KEY = 64
const LENGTH = 2
const TAG = 11
/** The bytes of the text before the packed position when a tag is computed. */
const HEAD = KEY + LENGTH
/** The bytes of a digest of SHA-256, each of which is a block of the key stream. */
const BLOCK = 32
/**
 * Pads packed texts to one of a few lengths, so that their length does not reveal the digits of a store's
 * position: 34 bytes hold every position of MongoDB, memory() and Redis, and 43 those of PostgreSQL. (With
 * the tag, a multiple of three uses all bits of each base64 character.)
 */
const LEAST = 34
const UNIT = 9
/** Limits the bytes of a position. No store has such long positions, and headers have a limit. */
const MAX_SIZE = 2_400
const FORM = /^[\w-]{60,3300}$/

/** Seals and opens the texts of positions, in three µs each. */
export class PositionSeal {
  /** Holds the key of tags, the length, and the packed text or its ciphertext. */
  readonly #room = Buffer.alloc(HEAD + 4096)
  /** Holds the key of key streams, the tag, and a block's number. */
  readonly #stream = Buffer.alloc(KEY + TAG + 1)
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
    const room = this.#room
    const end = pack(position, ++this.#count, room, HEAD)
    const size = LEAST + Math.ceil(Math.max(0, end - HEAD - LEAST) / UNIT) * UNIT
    room.fill(0, end, HEAD + size)
    const tag = this.#tag(size)
    this.#crypt(tag, size)
    const sealed = Buffer.allocUnsafe(TAG + size)
    sealed.write(tag, 'latin1')
    room.copy(sealed, TAG, HEAD, HEAD + size)
    return sealed.toString('base64url')
  }

  /** Opens a sealed text. Returns undefined for a text that was not sealed with this secret and context. */
  open(text: string): string | undefined {
    if (!FORM.test(text)) return undefined
    const bytes = Buffer.from(text, 'base64url')
    const size = bytes.length - TAG
    if (size < LEAST || (size - LEAST) % UNIT !== 0 || bytes.toString('base64url') !== text) return undefined
    this.#room.set(bytes.subarray(TAG), HEAD)
    this.#crypt(bytes.toString('latin1', 0, TAG), size)
    const tag = Buffer.from(this.#tag(size), 'latin1')
    if (!timingSafeEqual(tag, bytes.subarray(0, TAG))) return undefined
    return unpack(this.#room.subarray(HEAD, HEAD + size))
  }

  /** Authenticates the packed text of a size in the room. Returns a string of one character per byte. */
  #tag(size: number): string {
    this.#room.writeUInt16BE(size, KEY)
    return hash('sha256', this.#room.subarray(0, HEAD + size), 'binary').slice(0, TAG)
  }

  /** Encrypts, or decrypts, the text of a size in the room with the key stream of a tag. */
  #crypt(tag: string, size: number): void {
    this.#stream.write(tag, KEY, 'latin1')
    for (let at = 0; at < size; at += BLOCK) {
      this.#stream[KEY + TAG] = at / BLOCK
      const block = hash('sha256', this.#stream, 'binary')
      for (let i = 0; i < BLOCK && at + i < size; i++)
        this.#room[HEAD + at + i] = (this.#room[HEAD + at + i] ?? 0) ^ block.charCodeAt(i)
    }
  }
}
