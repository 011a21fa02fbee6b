import { type ErrorCode, ParticleError } from '../errors.ts'
import { decode } from '../protocol/decode.ts'
import { PROTOCOL, type ServerEvent } from '../protocol/messages.ts'
import { backoff } from './backoff.ts'
import { type Happening, INITIAL, next, type State, type Status, statusOf } from './state.ts'
import { type Clock, failure, type Transport } from './transport.ts'

/** For how long a handshake may take, in milliseconds. */
const PATIENCE = 30_000

const QUIET: readonly ErrorCode[] = ['UNAUTHORIZED', 'UNAVAILABLE', 'TOO_MANY_HANDSHAKES']

/** What a link needs, and whom it tells. None of the callbacks may throw but `apply`. */
export interface LinkOptions {
  transport: Transport
  clock: Clock
  random: () => number
  /** The identity to present, asked for at every handshake. */
  identity: () => unknown
  /** Takes an event into the model and returns whether the model is complete; throws where the event can't be applied. */
  apply: (event: ServerEvent) => boolean
  onStatus: (status: Status) => void
  onError: (error: ParticleError) => void
  onDebug: (message: string) => void
}

/** The connection with a server, kept up: runs what the state machine decides. */
export class Link {
  /** Why the server refused, once it did. */
  refusal: ParticleError | undefined
  readonly #options: LinkOptions
  #state: State = INITIAL
  /** Where the stream ended that was lost: after this event the model was complete. */
  #position = ''
  /** Whether the server has said on this stream that the model is complete. */
  #settled = false
  #heard = 0
  /** The least delay that the server asked for, in milliseconds. */
  #wait = 0
  #end: () => void = () => {}

  constructor(options: LinkOptions) {
    this.#options = options
  }

  get status(): Status {
    return statusOf(this.#state)
  }

  start(): void {
    this.#step({ type: 'start' })
  }

  /** Tries again now if it is waiting to. */
  retry(): void {
    if (this.#state.phase === 'delaying') {
      this.#step({ type: 'retry', expired: this.#options.transport.expired })
    }
  }

  close(): void {
    this.#step({ type: 'close' })
  }

  #step(happening: Happening): void {
    const before = this.status
    const state = next(this.#state, happening)
    if (state === this.#state) return
    this.#state = state
    const { phase } = state
    if (phase !== 'waiting' && phase !== 'ready') {
      const end = this.#end
      this.#end = () => {}
      end()
    }
    const { status } = this
    if (status !== before) {
      this.#options.onDebug(`${before} -> ${status}`)
      this.#options.onStatus(status)
    }
    // Whoever heard of the status may have closed the client.
    if (this.#state !== state) return
    if (phase === 'handshaking') this.#handshake()
    if (phase === 'opening') this.#open()
    if (phase === 'delaying') this.#delay()
  }

  #delay(): void {
    const { clock, random, onDebug } = this.#options
    const delay = Math.max(this.#wait, backoff(this.#state.attempt, random))
    this.#wait = 0
    onDebug(`next try in ${Math.round(delay)} ms`)
    this.#end = clock.after(delay, () => this.retry())
  }

  async #handshake(): Promise<void> {
    const { transport, identity, clock } = this.#options
    const controller = new AbortController()
    const { signal } = controller
    const cancel = clock.after(PATIENCE, () => this.#step({ type: 'failed' }))
    this.#end = () => {
      cancel()
      controller.abort()
    }
    try {
      const presented = await identity()
      if (!signal.aborted) await transport.handshake(presented, signal)
      if (!signal.aborted) this.#step({ type: 'answered' })
    } catch (error) {
      if (!signal.aborted) this.#fail(error, 'failed')
    }
  }

  #open(): void {
    const { transport, clock } = this.#options
    let live = true
    let cancel = () => {}
    let close = () => {}
    this.#settled = false
    this.#end = () => {
      live = false
      cancel()
      close()
    }
    const lost = (error: unknown) => {
      if (live) this.#fail(error, 'lost')
    }
    const opened = () => {
      if (!live) return
      this.#heard = clock.now()
      this.#step({ type: 'opened' })
    }
    const watch = (silence: number) => {
      const left = this.#heard + silence - clock.now()
      if (left > 0) cancel = clock.after(left, () => watch(silence))
      else lost(new ParticleError('UNAVAILABLE', 'Nothing was heard for too long.'))
    }
    this.#heard = clock.now()
    if (transport.heartbeat) watch(transport.heartbeat * 2.5)
    try {
      const stop = transport.open(this.#position, {
        opened,
        event: (name, data, id) => {
          opened()
          if (live) this.#receive(name, data, id)
        },
        lost,
      })
      // It may be over before it has begun to return.
      if (live) close = stop
      else stop()
    } catch (error) {
      lost(error)
    }
  }

  #fail(cause: unknown, type: 'failed' | 'lost'): void {
    const { onDebug, onError } = this.#options
    const { error, denied, wait = 0 } = failure(cause)
    onDebug(error.message)
    if (denied) this.refusal = error
    this.#wait = wait
    // A refusal is told by the status; a server or a network that is away for a while is no news.
    if (!QUIET.includes(error.code)) onError(error)
    this.#step({ type: denied ? 'denied' : type })
  }

  #receive(name: string, data: string, id: string): void {
    let event: ServerEvent | undefined
    try {
      event = decode(name, data, id)
      if (event) this.#take(event, id)
    } catch (error) {
      // What is here may be wrong by now, or would be after the next event: only a clean start helps.
      this.#position = ''
      this.#options.onError(failure(error).error)
      this.#step({ type: 'broken' })
    }
  }

  #take(event: ServerEvent, id: string): void {
    const { transport, apply, onError } = this.#options
    switch (event.event) {
      case 'session':
        transport.renew(event.data.token, event.data.expiresAt)
        break
      case 'error':
        // A newer server may have codes that this client does not know of; they are still the best that can be said.
        onError(new ParticleError(event.data.code as ErrorCode, event.data.message))
        break
      case 'revoked':
        this.#fail(new ParticleError('UNAUTHORIZED', `Revoked: ${event.data.reason}`), 'lost')
        return
      case 'ready':
        apply(event)
        this.#settled = true
        this.#step({ type: 'complete' })
        break
      case 'ping':
        break
      default:
        this.#apply(event)
    }
    if (id) this.#position = id
  }

  #apply(event: ServerEvent): void {
    if (event.event === 'manifest') {
      this.#settled = false
      const { protocol } = event.data
      if (protocol !== PROTOCOL) {
        this.#fail(
          new ParticleError(
            'INVALID_OPTION',
            `The server speaks version ${protocol} of the protocol, this client ${PROTOCOL}.`,
          ),
          'lost',
        )
        return
      }
    }
    // Until the new data is here, the old position says too much.
    if (event.event === 'reset' || (event.event === 'manifest' && !event.data.resumed)) this.#position = ''
    const complete = this.#options.apply(event)
    this.#step({ type: complete && this.#settled ? 'complete' : 'incomplete' })
  }
}
