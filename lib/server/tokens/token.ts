import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { canonical } from '../../model/json.ts'
import type { ResolvedOptions } from '../options/options.ts'

/** Describes the content of a token. */
export interface Claims {
  /** The session's id. A handshake that names its `previous` token keeps the session. */
  session: string
  /** The identity that the client presented. */
  given: Json
  /** The answer of `identityLookup`. */
  identity: Json
  /** For each root, the fingerprint of the view that was granted. */
  views: Record<string, string>
  /**
   * The time since which each root's view is granted: the texts of points, with the roots of each. Earlier
   * positions are refused. Left out when all clients have the same rights.
   */
  since?: Record<string, string[]>
  /**
   * The views of the last earlier token with different views. Positions of that token are checked against
   * these views.
   */
  previous?: Record<string, string>
  /**
   * Identifies the documents that the identity depends on, at the time of its lookup. Left out without such
   * documents.
   */
  dependencies?: string
  /** The time when the identity's lookup began: milliseconds since the epoch. */
  at: number
  /**
   * For each process, by its random name, a time of that process's own clock that precedes the lookup. Orders
   * a token and the decisions of a process whose clock may differ from this one's.
   */
  after?: Record<string, number>
  /** Marks a token that is valid only as the previous token of a handshake, and opens no stream. */
  spent?: true
}

/** Describes the claims of an opened token, with its end in milliseconds since the epoch. */
export type Opened<T> = T & { expiresAt: number }

/**
 * Identifies the server that a token is valid for, by its path, roots and audience. Servers of one
 * application may share a secret, and the scope keeps a token of one server from opening a stream of another.
 * All nodes of a server have the same scope by their configuration.
 */
export function scopeOf({
  path,
  dataSources,
  audience,
}: Pick<ResolvedOptions, 'path' | 'dataSources' | 'audience'>): string {
  return JSON.stringify([path, Object.keys(dataSources).sort(), audience ?? null])
}

/**
 * Derives a key for one purpose from the secret.
 * @param scope see {@link scopeOf}; hashed, since HKDF's info has at most 1,024 bytes
 */
export function deriveKey(secret: string | Uint8Array, scope: string, purpose: string): Uint8Array {
  const salt = createHash('sha256').update(`particle ${scope}`).digest()
  return new Uint8Array(hkdfSync('sha256', secret, salt, purpose, 32))
}

/**
 * Computes digests of identities, which reveal nothing but whether two identities are equal. All nodes with
 * the same secret compute the same digest.
 */
export class IdentityDigest {
  readonly #key: Uint8Array

  constructor(secret: string | Uint8Array = randomBytes(32), scope = '') {
    this.#key = deriveKey(secret, scope, 'identity digest')
  }

  of({ given, identity }: Pick<Claims, 'given' | 'identity'>): string {
    const text = canonical([given ?? null, identity ?? null])
    return createHmac('sha256', this.#key).update(text).digest('base64url').slice(0, 22)
  }
}

const HEADER = Buffer.from('{"alg":"dir","enc":"A256GCM"}').toString('base64url')
/** The header as additional data, which the tag authenticates. */
const HEADER_BYTES = Buffer.from(HEADER)
const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG = { authTagLength: 16 }
/** The form of a sealed text: the header, no key, the nonce, the ciphertext and the tag. */
const FORM = new RegExp(`^${HEADER}\\.\\.([\\w-]{16})\\.([\\w-]+)\\.([\\w-]{22})$`)

/**
 * Seals and opens claims as JWE in its compact form, `dir` with A256GCM (RFC 7516, RFC 7518), by Node's AES.
 * A client can neither read nor change the answer of `identityLookup`. Opens texts with exactly this header
 * and this length of the tag, so that a client chooses no algorithm. (The package `jose`, against which the
 * specs check the form, takes 8 to 10 times the CPU time: 100 µs to seal, 60 µs to open.)
 */
export class Seal<T extends Claims> {
  readonly #key: KeyObject

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key)
  }

  async seal(claims: T, expiresAt: number): Promise<string> {
    const times = { iat: secondsOf(Date.now()), exp: secondsOf(expiresAt) }
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, TAG)
    cipher.setAAD(HEADER_BYTES)
    const sealed = cipher.update(JSON.stringify({ ...claims, ...times }), 'utf8', 'base64url')
    return [HEADER, '', text(nonce), sealed + cipher.final('base64url'), text(cipher.getAuthTag())].join('.')
  }

  /**
   * Opens a sealed text.
   *
   * @param expired whether to open expired texts too
   * @throws ParticleError `UNAUTHORIZED` when the text has expired, is forged, or was sealed with another key
   */
  async open(text: string, expired = false): Promise<Opened<T>> {
    const claims = this.#decrypt(text)
    // Reports only the expiry: the exact reason of another failure might help an attacker.
    if (!claims) {
      throw new ParticleError(
        'UNAUTHORIZED',
        'The token is not valid: this server did not seal it. ' +
          'Do all processes have the same secret, path, roots and audience?',
      )
    }
    const { exp } = claims
    if (!expired && exp <= secondsOf(Date.now()))
      throw new ParticleError('UNAUTHORIZED', 'The token has expired: POST to handshake again')
    return { ...claims, expiresAt: exp * 1000 }
  }

  /** Decrypts a text. Returns undefined for a text that was not sealed with this key. */
  #decrypt(sealed: string): (T & { exp: number }) | undefined {
    const [, nonce, body, tag] = FORM.exec(sealed) ?? []
    if (!nonce || !body || !tag) return undefined
    try {
      const decipher = createDecipheriv(ALGORITHM, this.#key, Buffer.from(nonce, 'base64url'), TAG)
      decipher.setAAD(HEADER_BYTES)
      decipher.setAuthTag(Buffer.from(tag, 'base64url'))
      const claims = JSON.parse(decipher.update(body, 'base64url', 'utf8') + decipher.final('utf8'))
      return typeof claims.exp === 'number' ? claims : undefined
    } catch {
      // The tag is wrong. A cause with claims (a presented password) must not reach a log.
      return undefined
    }
  }
}

function secondsOf(ms: number): number {
  return Math.floor(ms / 1000)
}

function text(bytes: Buffer): string {
  return bytes.toString('base64url')
}

/** Seals and opens tokens. */
export class TokenSeal extends Seal<Claims> {
  constructor(secret: string | Uint8Array = randomBytes(32), scope = '') {
    super(deriveKey(secret, scope, 'token'))
  }
}

/** Creates a session id of 96 random bits. */
export function sessionId(): string {
  return randomBytes(12).toString('base64url')
}
