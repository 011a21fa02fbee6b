import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { JWTPayload } from 'jose'
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

/** Describes the claims of an opened token. */
export type Opened<T> = T & { expiresAt: Date }

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

let loading: Promise<typeof import('jose')> | undefined

/**
 * Loads jose once, with the first token. Each dynamic import takes a turn of the event loop, and jose needs
 * `TextEncoder` at its load, which Jest's jsdom lacks. A test of a page could otherwise not import Particle.
 */
function jose(): Promise<typeof import('jose')> {
  loading ??= import('jose')
  return loading
}

/**
 * Seals and opens claims as JWE, `dir` with A256GCM (RFC 7516). A client can neither read nor change the
 * answer of `identityLookup`.
 */
export class Seal<T extends Claims> {
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    this.#key = key
  }

  async seal(claims: T, expiresAt: Date): Promise<string> {
    const { EncryptJWT } = await jose()
    return new EncryptJWT({ ...(claims as object as JWTPayload) })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setIssuedAt()
      .setExpirationTime(expiresAt)
      .encrypt(this.#key)
  }

  /**
   * Opens a sealed text.
   *
   * @param expired whether to open expired texts too
   * @throws ParticleError `UNAUTHORIZED` when the text has expired, is forged, or was sealed with another key
   */
  async open(text: string, expired = false): Promise<Opened<T>> {
    try {
      const { jwtDecrypt } = await jose()
      const { payload } = await jwtDecrypt(text, this.#key, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        requiredClaims: ['exp', 'session', 'identity', 'at'],
        ...(expired ? { currentDate: new Date(0) } : {}),
      })
      return { ...(payload as unknown as T), expiresAt: new Date((payload.exp ?? 0) * 1000) }
    } catch (cause) {
      // Reports only the expiry: the exact reason of another failure might help an attacker.
      const hasExpired = (cause as { code?: unknown }).code === 'ERR_JWT_EXPIRED'
      const message = hasExpired
        ? 'The token has expired: POST to handshake again'
        : 'The token is not valid: this server did not seal it. ' +
          'Do all processes have the same secret, path, roots and audience?'
      // Drops causes that hold the opened claims. The presented identity (a password, for example) must not
      // reach a log.
      const isOpened = (cause as { payload?: unknown }).payload !== undefined
      throw new ParticleError('UNAUTHORIZED', message, isOpened ? undefined : { cause })
    }
  }
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
