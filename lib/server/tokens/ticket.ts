import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import { type Claims, deriveKey, type Opened, Seal } from './token.ts'

/** For how long a ticket opens a stream without the browser's cookie, in milliseconds. */
const TICKET_MS = 15_000

/** Tells tickets from tokens where both may stand. */
const PREFIX = 'ticket~'

/** What a ticket seals: a token's claims, and what makes it safe to stand in an address. */
interface TicketClaims extends Claims {
  ticket: string
  /** When it was issued: milliseconds since the epoch. */
  issued: number
  /** The hash of the browser cookie that it was issued to. */
  browser: string
}

/**
 * Issues and redeems tickets. An address stands in the logs of every proxy, so the ticket in it must be of no
 * use to their readers: it is good once on each node, within 15 seconds; with the browser cookie that it was
 * issued to, until its token ends, since a native EventSource comes back by itself to the same address. Nodes
 * share no memory, so each knows only the tickets that it has redeemed itself.
 */
export class Tickets {
  readonly #seal: Seal<TicketClaims>
  /** Tickets that were redeemed, and when; each is forgotten once it is too old to be redeemed again. */
  readonly #redeemed = new Map<string, number>()

  constructor(secret: string | Uint8Array = randomBytes(32), scope = '') {
    this.#seal = new Seal(deriveKey(secret, scope, 'ticket'))
  }

  /** Whether a text claims to be a ticket. */
  static is(text: string): boolean {
    return text.startsWith(PREFIX)
  }

  async issue({ expiresAt, ...claims }: Opened<Claims>, browser: string): Promise<string> {
    const id = randomBytes(12).toString('base64url')
    const ticket = { ...claims, ticket: id, issued: Date.now(), browser: hash(browser) }
    return PREFIX + (await this.#seal.seal(ticket, expiresAt))
  }

  /**
   * Opens a ticket, and remembers that it was used.
   * @param browsers the values of the request's browser cookies
   * @throws ParticleError `UNAUTHORIZED` when it is forged, has expired, or was used before without its
   *   cookie
   */
  async redeem(text: string, browsers: readonly string[]): Promise<Opened<Claims>> {
    const { ticket, issued, browser, ...claims } = await this.#seal.open(text.slice(PREFIX.length))
    const now = Date.now()
    // A ticket of the future comes from a node whose clock is ahead: it must not outlive the others.
    const isYoung = Math.abs(now - issued) < TICKET_MS
    if ((!isYoung || this.#redeemed.has(ticket)) && !browsers.some((value) => equal(hash(value), browser))) {
      throw new ParticleError(
        'UNAUTHORIZED',
        `The ticket in the address is good once, within ${TICKET_MS / 1000} s, or with the cookie that the handshake set`,
      )
    }
    for (const [id, at] of this.#redeemed) {
      if (now - at < TICKET_MS * 2) break
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
