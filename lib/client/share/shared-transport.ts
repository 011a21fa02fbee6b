import { ParticleError } from '../../errors.ts'
import type { SessionAnswer, Sink, StreamStart, Transport } from '../transport.ts'
import { Member } from './member.ts'
import { type SharedGrant, VERSION } from './messages.ts'
import type { ShareOptions } from './share-options.ts'

/**
 * Shares one stream with the other tabs. Each tab makes handshakes of its own, and the tabs whose handshakes
 * are answered with the same digest of the identity share a stream. So a tab of another user never gets the
 * stream, also where a cookie says who the user is.
 */
export class SharedTransport implements Transport {
  readonly #options: ShareOptions
  readonly #transport: Transport
  #identity: string | undefined
  #member: Member | undefined
  /** The token of the stream that the tab has been a part of. */
  #grant: SharedGrant | undefined

  constructor(options: ShareOptions) {
    this.#options = options
    this.#transport = options.transport
  }

  get heartbeat(): number | undefined {
    return this.#transport.heartbeat
  }

  get expired(): boolean {
    return this.#transport.expired
  }

  get maxWatched(): number | undefined {
    return this.#transport.maxWatched
  }

  async handshake(identity: unknown, signal: AbortSignal): Promise<boolean> {
    const member = this.#member
    // Keeps the events back from the other tabs, since they may be another user's after the handshake.
    member?.hub?.keep()
    const isLive = await this.#transport.handshake(identity, signal).finally(() => this.#answered())
    return isLive && member === this.#member
  }

  /** Passes the events on, or leaves the other tabs where the identity has changed. */
  #answered(): void {
    const { identity } = this.#transport
    const member = this.#member
    if (identity === this.#identity) {
      member?.hub?.release()
      return
    }
    this.#identity = identity
    this.#grant = undefined
    this.#member = undefined
    member?.expel(new ParticleError('UNAVAILABLE', 'Another tab has another identity now.'), true)
    member?.close()
  }

  open(start: StreamStart, sink: Sink): () => void {
    const { transport, onDebug } = this.#options
    const { identity, address = '' } = transport
    if (identity === undefined) {
      onDebug('share: the server does not say who this is, so this tab has a stream of its own')
      return transport.open(start, sink)
    }
    const member = new Member({
      ...this.#options,
      name: `particle ${VERSION} ${address} ${identity}`,
      start,
      grant: this.#grant,
      sink,
      onGrant: (grant) => {
        if (this.#member !== member) return
        this.#grant = grant
        if (!grant) this.#drop()
      },
      onResign: () => this.#drop(),
    })
    this.#member = member
    return () => {
      if (this.#member !== member) return
      this.#member = undefined
      member.close()
      if (member.hub?.isFollowed) this.#drop()
    }
  }

  post(route: 'watch' | 'reached', body: object, signal: AbortSignal): Promise<SessionAnswer> {
    return this.#member ? this.#member.post(route, body) : this.#transport.post(route, body, signal)
  }

  renew(token: string, expiresAt: string): void {
    if (!this.#member || this.#member.hub) this.#transport.renew(token, expiresAt)
  }

  /**
   * Lets the next stream of this tab begin with a handshake. The token proves the position there, and begins
   * a session of its own, since the next leader continues the token's session.
   */
  #drop(): void {
    const transport = this.#transport
    transport.fork = true
    transport.renew(transport.token ?? '', new Date(0).toISOString())
  }
}
