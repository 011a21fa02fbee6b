import { Client } from '../../lib/client/client.ts'
import type { EventSourceLike } from '../../lib/client/http.ts'
import type { Clock } from '../../lib/client/transport.ts'
import { ParticleError } from '../../lib/errors.ts'
import type { Model } from '../../lib/model/document.ts'
import { Line } from './line.ts'
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
export class RealClient extends Participant {
  readonly client: Client
  readonly #clock = new HandClock()
  #source: Stream | undefined

  constructor(world: Surroundings, name: string, user: string, at: number) {
    super(world, name, user, at)
    const participant = this
    this.client = new Client(
      {
        url: 'http://law.test/particle',
        identity: () => ({ user: this.user }),
        fetch: (_url, init) => this.#handshake(JSON.parse(String(init?.body))),
        EventSource: class extends Stream {
          constructor(url: string) {
            super((stream) => participant.#open(new URL(url), stream))
          }
        },
        notify: 'event',
        onData: (_, { event, data }) => this.shows(event, 'root' in data ? data.root : undefined),
        onError: (error) => {
          if (error.code !== 'SOURCE_FAILED') world.fault(`${name} met an error: ${error.stack}`)
        },
      },
      { clock: this.#clock, random: () => 0.5, base: undefined },
    )
  }

  get model(): Model {
    return this.client.data as Model
  }

  get over(): boolean {
    return this.client.status === 'refused' || this.client.status === 'closed'
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

  protected lost(): void {
    this.#source?.tell('error')
  }

  async #handshake({ identity, previous }: { identity: object; previous?: string }): Promise<Response> {
    this.asking = true
    try {
      await this.world.turn()
      const { token, session, expiresAt } = await this.node.grant(identity, previous)
      return answer(200, {
        token,
        session,
        stream: `/particle/stream?session=${session}`,
        expiresAt: expiresAt.toISOString(),
        protocol: 1,
        heartbeat: HEARTBEAT,
      })
    } catch (error) {
      this.world.failed(error)
      if (!(error instanceof ParticleError)) throw error
      const { code, message } = error
      return answer(code === 'UNAUTHORIZED' ? 401 : 503, { error: { code, message } })
    } finally {
      this.asking = false
    }
  }

  #open(url: URL, stream: Stream): Line {
    this.#source = stream
    const token = url.searchParams.get('token') ?? ''
    const position = url.searchParams.get('lastEventId') ?? ''
    let last = position
    const line = new Line({
      opened: () => stream.tell('open'),
      lost: () => stream.tell('error'),
      event: (name, data, id) => {
        last = id ?? last
        this.heard(name, data, id)
        stream.tell(name, data, last)
      },
    })
    this.connect(token, position, line).catch(() => stream.tell('error'))
    return line
  }
}

/** An EventSource over a line. It doesn't come back by itself: the client never lets it. */
class Stream implements EventSourceLike {
  readonly #listeners = new Map<string, (event: Event) => void>()
  readonly #line: Line
  #closed = false

  constructor(open: (stream: Stream) => Line) {
    this.#line = open(this)
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    this.#listeners.set(type, listener)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const line = this.#line
    line.cut(false)
    setImmediate(() => line.gone())
  }

  tell(type: string, data?: string, lastEventId = ''): void {
    if (!this.#closed) this.#listeners.get(type)?.({ type, data, lastEventId } as unknown as Event)
  }
}

function answer(status: number, body: object): Response {
  return { status, headers: new Headers(), json: async () => body } as Response
}
