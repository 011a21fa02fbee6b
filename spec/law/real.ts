import { Client } from '../../lib/client/client.ts'
import type { Clock, SessionAnswer, Sink, StreamStart, Transport } from '../../lib/client/transport.ts'
import { ParticleError } from '../../lib/errors.ts'
import type { Model } from '../../lib/model/document.ts'
import { Line } from './line.ts'
import { NetworkError } from './node.ts'
import { Participant, type Surroundings } from './participant.ts'

const HEARTBEAT = 15_000
const A_YEAR = 31_536_000_000

/** A client's clock: it shows the world's time, and its timers are run when the steps say so. */
class HandClock implements Clock {
  skew = 0
  readonly #timers = new Set<() => void>()

  now(): number {
    return Date.now() + this.skew
  }

  after(_milliseconds: number, callback: () => void): () => void {
    const timer = () => callback()
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Runs all timers that wait, as if so much time had gone by. */
  run(skew: number): void {
    this.skew = skew
    for (const timer of [...this.#timers]) if (this.#timers.delete(timer)) timer()
    this.skew = 0
  }
}

/** Particle's own client, over the in-process wire. */
export class RealClient extends Participant implements Transport {
  readonly heartbeat = HEARTBEAT
  readonly client: Client
  readonly #clock = new HandClock()
  #token = ''
  #expires = 0
  #lost = () => {}
  #wasReady = false

  constructor(world: Surroundings, name: string, user: string, at: number) {
    super(world, name, user, at)
    this.client = new Client(
      {
        identity: () => ({ user: this.user }),
        notify: 'event',
        onStatus: (status) => {
          if (status === 'ready') this.#wasReady = true
        },
        onData: (_, { event, data }) => this.shows(event, 'root' in data ? data.root : undefined),
        onError: (error) => {
          // A source or a node may be out of reach for many tries, and the people's rights change.
          const expected = ['SOURCE_FAILED', 'UNAUTHORIZED'].includes(error.code) || isOutage(error)
          if (!expected) world.fault(`${name} met an error: ${error.stack}`)
        },
      },
      { transport: this, clock: this.#clock, random: () => 0.5 },
    )
  }

  get model(): Model {
    return this.client.data as Model
  }

  get over(): boolean {
    return this.client.status === 'refused' || this.client.status === 'closed'
  }

  protected override get together(): boolean {
    // What a source reads ahead of its reports belongs to no moment.
    return this.#wasReady && !this.node.held.first.readsAhead
  }

  protected get complete(): boolean {
    return this.client.status === 'ready'
  }

  back(at: number): void {
    if (!this.away) return
    this.at = at
    this.#clock.run(0)
  }

  /** Nothing is heard for too long. */
  silence(): void {
    if (this.up) this.#clock.run(3 * HEARTBEAT)
  }

  identify(user: string, at: number): void {
    if (this.asking || this.over) return
    this.sever()
    this.user = user
    this.at = at
    // Only a token whose time is up makes a client present itself again.
    this.#clock.run(A_YEAR)
  }

  leave(): void {
    this.client.close()
  }

  get expired(): boolean {
    return this.#clock.now() >= this.#expires
  }

  async handshake(identity: object): Promise<boolean> {
    this.asking = true
    try {
      await this.world.turn()
      const { token, expiresAt } = await this.node.grant(identity, this.#token || undefined)
      this.renew(token, expiresAt.toISOString())
      return false
    } catch (error) {
      this.world.failed(error)
      throw heardOf(error)
    } finally {
      this.asking = false
    }
  }

  async post(): Promise<SessionAnswer> {
    return { live: false }
  }

  open({ position }: StreamStart, sink: Sink): () => void {
    const line = new Line({
      opened: () => sink.opened(),
      lost: () => sink.lost(outage(new NetworkError('The line is cut.'))),
      event: (name, data, id) => {
        this.heard(name, data, id)
        sink.event(name, data, id ?? '')
      },
    })
    this.#lost = () => sink.lost(outage(new NetworkError('The line is gone.')))
    this.connect(this.#token, position, line).catch((error) => {
      const known = heardOf(error)
      sink.lost(known.code === 'UNAUTHORIZED' ? { error: known, type: 'unauthorized' } : known)
    })
    return () => {
      line.cut(false)
      setImmediate(() => line.gone())
    }
  }

  renew(token: string, expiresAt: string): void {
    this.#token = token
    this.#expires = Date.parse(expiresAt)
  }

  protected lost(): void {
    this.#lost()
  }
}

/** What a client hears of an error of the node: the refusal, or that the node is away. */
function heardOf(error: unknown): ParticleError {
  if (error instanceof ParticleError && error.code === 'UNAUTHORIZED') return error
  return outage(error)
}

/** What a client hears where the network or the node is to blame; the world has judged the cause already. */
function outage(cause: unknown): ParticleError {
  return new ParticleError('UNAVAILABLE', String(cause), { cause })
}

/** Whether an error is one of {@link outage}: those that a client makes by itself have no cause. */
function isOutage({ code, cause }: ParticleError): boolean {
  return code === 'UNAVAILABLE' && cause !== undefined
}
