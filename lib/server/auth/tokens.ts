import type { Warnings } from '../hints/warnings.ts'
import { Tickets } from '../tokens/ticket.ts'
import { IdentityDigest, TokenSeal } from '../tokens/token.ts'
import type { Admission } from './admitted.ts'

/** Limits the length of a ticket, in characters. Servers commonly accept addresses of 8 KB. */
const MAX_TICKET = 7_000

/** Issues and opens the tokens and tickets of admissions. */
export class Tokens {
  readonly #seal: TokenSeal
  readonly #tickets: Tickets
  readonly #warnings: Warnings
  /** Digests the identities of handshakes. */
  readonly identities: IdentityDigest

  constructor(secret: string | Uint8Array | undefined, scope: string, warnings: Warnings) {
    this.#seal = new TokenSeal(secret, scope)
    this.#tickets = new Tickets(secret, scope)
    this.#warnings = warnings
    this.identities = new IdentityDigest(secret, scope)
  }

  /**
   * Opens a token or a ticket.
   *
   * @param browsers the values of the request's browser cookies
   * @throws ParticleError `UNAUTHORIZED` when the text is not valid
   */
  open(token: string, browsers: readonly string[]): Promise<Admission> {
    return Tickets.is(token) ? this.#tickets.redeem(token, browsers) : this.#seal.open(token)
  }

  /** Opens a token, expired or not. Returns undefined for any other text. */
  openExpired(token: string): Promise<Admission | undefined> {
    return this.#seal.open(token, true).catch(() => undefined)
  }

  seal({ expiresAt, ...claims }: Admission): Promise<string> {
    return this.#seal.seal(claims, expiresAt)
  }

  /**
   * Issues a ticket, which opens a stream by its address: see {@link Tickets}.
   *
   * @returns undefined when the ticket is too long for an address
   */
  async ticket(admission: Admission, browser: string): Promise<string | undefined> {
    const ticket = await this.#tickets.issue(admission, browser)
    if (ticket.length <= MAX_TICKET) return ticket
    const what = `A ticket of ${ticket.length} characters is too long for an address`
    this.#warnings.error(
      'length of tickets',
      `${what}: let identityLookup return less, or use Particle's client`,
    )
    return undefined
  }
}
