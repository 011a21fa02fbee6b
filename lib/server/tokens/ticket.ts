import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import { type Claims, deriveKey, type Opened, Seal } from './token.ts'

/** Limits the age of a ticket without the browser's cookie, in milliseconds. */
const TICKET_TTL_MS = 15_000

/** Marks tickets, where both a ticket and a token may be given. */
const PREFIX = 'ticket~'

/** Describes the content of a ticket: a token's claims, and the facts that limit its use in an address. */
interface TicketClaims extends Claims {
  ticket: string
  /** The time of issue: milliseconds since the epoch. */
  issued: number
  /** The hash of the browser cookie that the ticket was issued to. */
  browser: string
}

/**
 * Issues and redeems tickets. Proxies log addresses, so the ticket in an address must be useless to readers
 * of a log. A ticket is valid once on each node, within 15 seconds. With its browser cookie it is valid until
 * its token expires, because a native EventSource reconnects to the same address. Nodes share no memory, so
 * each node knows only the tickets that it has redeemed itself.
 */
export class Tickets {
  readonly #seal: Seal<TicketClaims>
  /** The redeemed tickets with the time of use. A ticket is removed when it is too old for another use. */
  readonly #redeemed = new Map<string, number>()

  constructor(secret: string | Uint8Array = randomBytes(32), scope = '') {
    this.#seal = new Seal(deriveKey(secret, scope, 'ticket'))
  }

  /** Checks whether a text claims to be a ticket. */
  static is(text: string): boolean {
    return text.startsWith(PREFIX)
  }

  async issue({ expiresAt, ...claims }: Opened<Claims>, browser: string): Promise<string> {
    const id = randomBytes(12).toString('base64url')
    const ticket = { ...claims, ticket: id, issued: Date.now(), browser: hash(browser) }
    return PREFIX + (await this.#seal.seal(ticket, expiresAt))
  }

  /**
   * Opens a ticket, and records its use.
   *
   * @param browsers the values of the request's browser cookies
   * @throws ParticleError `UNAUTHORIZED` when the ticket is forged, has expired, or was used before without
   *   its cookie
   */
  async redeem(text: string, browsers: readonly string[]): Promise<Opened<Claims>> {
    const { ticket, issued, browser, ...claims } = await this.#seal.open(text.slice(PREFIX.length))
    const now = Date.now()
    // Accepts a small difference of clocks only: a ticket of a node whose clock is ahead must not live
    // longer.
    const isYoung = Math.abs(now - issued) < TICKET_TTL_MS
    if ((!isYoung || this.#redeemed.has(ticket)) && !browsers.some((value) => equal(hash(value), browser))) {
      throw new ParticleError(
        'UNAUTHORIZED',
        `The ticket in the address is good once, within ${TICKET_TTL_MS / 1000} s, ` +
          'or with the cookie that the handshake set',
      )
    }
    for (const [id, at] of this.#redeemed) {
      if (now - at < TICKET_TTL_MS * 2) break
      this.#redeemed.delete(id)
    }
    if (isYoung) this.#redeemed.set(ticket, now)
    return claims
  }
}

function hash(value: string): string {
  return createHash('sha256').update(value).digest('base64url')
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
