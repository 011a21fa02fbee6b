import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import type { ResolvedOptions } from '../options/options.ts'

/** What a token seals. */
export interface Claims {
  /** The session's id: a handshake that names its `previous` token keeps it. */
  session: string
  /** What the client presented. */
  given: Json
  /** What `identityLookup` found. */
  identity: Json
  /** For each root, the fingerprint of the view that was granted. */
  views: Record<string, string>
  /**
   * Since when each root's view is granted: the texts of points, and the roots of each. A position of before
   * is not honoured. Left out where all have the same rights.
   */
  since?: Record<string, string[]>
  /**
   * The views of the last token before that had others: positions that were given with it are held against
   * them.
   */
  previous?: Record<string, string>
  /** Names the documents that the identity depends on, as they were at its lookup; left out where none were. */
  dependencies?: string
  /** When the identity began to be looked up: milliseconds since the epoch. */
  at: number
  /**
   * For each process, by its random name, a time of that process's own clock before which the identity was not
   * looked up. Orders a token and the decisions of a process, whose clock may differ from this one's.
   */
  after?: Record<string, number>
  /** Good only as the previous token of a handshake: opens no stream. */
  spent?: true
}

/** Claims as an opened token has them. */
export type Opened<T> = T & { expiresAt: Date }

/**
 * Names the server that a token is good for: its path, its roots and its audience. Servers of one application
 * may share a secret; the scope keeps the token of one from opening the stream of another. Nodes agree on it
 * by their configuration.
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

let loading: Promise<typeof import('jose')> | undefined

/**
 * Loads jose with the first token, once: an import by itself takes a turn of the event loop each time. jose
 * needs `TextEncoder` as soon as it is loaded, and Jest's jsdom has none: a test of a page could not import
 * Particle.
 */
function jose(): Promise<typeof import('jose')> {
  loading ??= import('jose')
  return loading
}

/**
 * Seals and opens claims: JWE, `dir` with A256GCM (RFC 7516), so that a client can neither read nor change
 * what `identityLookup` found.
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
   * @param expired whether one that has expired is opened too
   * @throws ParticleError `UNAUTHORIZED` when it has expired, is forged, or was sealed with another key
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
      // That a token has expired helps no attacker; why another one can't be opened might.
      const hasExpired = (cause as { code?: unknown }).code === 'ERR_JWT_EXPIRED'
      const message = hasExpired
        ? 'The token has expired: POST to handshake again'
        : 'The token is not valid: this server did not seal it. Do all processes have the same secret, path, roots and audience?'
      // Some of jose's errors hold the opened claims: what the client presented, say a password, must stand
      // in no log.
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

/** A new session id: 96 random bits. */
export function sessionId(): string {
  return randomBytes(12).toString('base64url')
}
