import { hkdfSync, randomBytes } from 'node:crypto'
import { EncryptJWT, jwtDecrypt } from 'jose'
import { ParticleError } from '../errors.ts'
import type { Json } from '../model/document.ts'

/** What a token seals. */
export interface Claims {
  /** The session's id, as it stands in the stream's URL. */
  session: string
  /** What the client presented. */
  given: Json
  /** What `identityLookup` found. */
  identity: Json
  /** For each root, the fingerprint of the view that was granted. */
  views: Record<string, string>
  /**
   * Since when each root's view is granted: the texts of points, and the roots of each. A position of before is not honoured. Left out where all have the same
   * rights.
   */
  since?: Record<string, string[]>
  /** The views of the last token before that had others: what positions that were given with it are held against. */
  previous?: Record<string, string>
  /** When the identity began to be looked up: milliseconds since the epoch. */
  at: number
}

/** Seals and opens tokens: JWE, `dir` with A256GCM, so that what `identityLookup` found is unreadable to the client (RFC 7516). */
export class TokenSeal {
  readonly #key: Uint8Array

  constructor(secret: string | Uint8Array | undefined) {
    const material = secret ?? randomBytes(32)
    this.#key = new Uint8Array(hkdfSync('sha256', material, 'particle', 'token', 32))
  }

  async seal(claims: Claims, expiresAt: Date): Promise<string> {
    return new EncryptJWT({ ...claims })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setIssuedAt()
      .setExpirationTime(expiresAt)
      .encrypt(this.#key)
  }

  /**
   * What the token seals; `expired` lets one that has expired pass.
   * @throws ParticleError `UNAUTHORIZED` when it is forged, expired or sealed with another secret.
   */
  async open(token: string, expired = false): Promise<Claims & { expiresAt: Date }> {
    try {
      const { payload } = await jwtDecrypt(token, this.#key, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        requiredClaims: ['exp', 'session', 'identity', 'at'],
        ...(expired ? { currentDate: new Date(0) } : {}),
      })
      return { ...(payload as unknown as Claims), expiresAt: new Date((payload.exp ?? 0) * 1000) }
    } catch (cause) {
      throw new ParticleError(
        'UNAUTHORIZED',
        'The token is not valid: it has expired, or this server did not seal it',
        { cause },
      )
    }
  }
}

/** A new session id: 96 random bits. */
export function sessionId(): string {
  return randomBytes(12).toString('base64url')
}
