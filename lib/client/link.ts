import { type ErrorCode, ParticleError } from '../errors.ts'
import { decode } from '../protocol/decode.ts'
import { PROTOCOL, type ServerEvent } from '../protocol/messages.ts'
import { backoff } from './backoff.ts'
import { handshake, type Presenting } from './handshake.ts'
import { News } from './news.ts'
import { Renewal } from './renewal.ts'
import { type Happening, INITIAL, next, type Phase, type State, type Status, statusOf } from './state.ts'
import { Stream } from './stream.ts'
import { failure } from './transport.ts'

/** Limits the silence of a doubted stream, and the time of a quiet replacement, in milliseconds. */
const DOUBT = 2000
/**
 * Sets the age from which a lost stream is replaced at once, in milliseconds; a younger one could cause a
 * tight loop.
 */
const GOOD = 1000

/** Lists the phases in which a stream, or an attempt at one, can be doubted. */
const ACTIVE: readonly Phase[] = ['handshaking', 'opening', 'waiting', 'ready']

/** Holds the parameters of a link. Only `apply` and `identity` may throw. */
export interface LinkOptions extends Presenting {
  random: () => number
  /**
   * Applies an event to the model and returns whether that is complete; throws where the event can't be
   * applied.
   */
  apply: (event: ServerEvent) => boolean
  onStatus: (status: Status) => void
  onError: (error: ParticleError) => void
  onDebug: (message: string) => void
}

/** Keeps the connection with a server up: runs the state machine's decisions. */
export class Link {
  /** Why the server refused, once it did. */
  refusal: ParticleError | undefined
  readonly #options: LinkOptions
  readonly #news: News
  #state: State = INITIAL
  /** The last position after which the model was complete; a new stream continues from it. */
  #position = ''
  /** Whether the server has said on this stream that the model is complete. */
  #settled = false
  /** Whether the token of the last handshake has not opened a stream yet. */
  #fresh = false
  /** The parties that have paused the connection. */
  readonly #pausing = new Set<'user' | 'page'>()
  /** The minimum delay that the server asked for, in milliseconds. */
  #wait = 0
  #stream: Stream | undefined
  #renewal: Renewal | undefined
  /** Ends the work of the current phase. */
  #end = () => {}
  #endDoubt: (() => void) | undefined
  #endQuiet: (() => void) | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.#news = new News(options.onError)
  }

  get status(): Status {
    return statusOf(this.#state)
  }

  start(): void {
    this.#step({ type: 'start' })
  }

  /** Closes the stream and keeps the position, until every party that paused has resumed. */
  pause(by: 'user' | 'page'): void {
    this.#pausing.add(by)
    this.#step({ type: 'pause', quiet: by === 'page' && this.#pausing.size === 1 })
  }

  /** Opens a stream from the position at once. */
  resume(by: 'user' | 'page'): void {
    if (this.#pausing.delete(by) && this.#pausing.size === 0) this.#again('resume')
  }

  /** Ends a delay; replaces an open stream that gives no sign of life within 2 s. */
  doubt(): void {
    const { phase } = this.#state
    if (phase === 'delaying') this.#again('retry')
    if (!ACTIVE.includes(phase)) return
    const stream = this.#stream
    const signs = stream?.signs
    this.#endDoubt ??= this.#options.clock.after(DOUBT, () => {
      this.#endDoubt = undefined
      if (stream?.signs === signs) this.#again('reopen')
    })
  }

  close(): void {
    this.#step({ type: 'close' })
  }

  #again(type: 'retry' | 'reopen' | 'resume'): void {
    this.#step({ type, expired: this.#options.transport.expired })
  }

  #step(happening: Happening): void {
    const before = this.status
    const state = next(this.#state, happening)
    if (state === this.#state) return
    this.#state = state
    const { phase, quiet } = state
    const goesOn = happening.type === 'late'
    if (!goesOn && phase !== 'waiting' && phase !== 'ready') {
      const end = this.#end
      this.#end = () => {}
      this.#endDoubt?.()
      this.#endDoubt = undefined
      end()
    }
    if (quiet && phase !== 'paused') {
      this.#endQuiet ??= this.#options.clock.after(DOUBT, () => this.#step({ type: 'late' }))
    } else {
      this.#endQuiet?.()
      this.#endQuiet = undefined
    }
    const { status } = this
    if (status !== before) {
      this.#options.onDebug(`${before} -> ${status}`)
      this.#options.onStatus(status)
    }
    // A listener of the status may have closed the client.
    if (this.#state !== state || goesOn) return
    if (phase === 'handshaking') this.#handshake()
    if (phase === 'opening') this.#open()
    if (phase === 'delaying') this.#delay()
  }

  #delay(): void {
    const { clock, random, onDebug } = this.#options
    const delay = Math.max(this.#wait, backoff(this.#state.attempt, random))
    this.#wait = 0
    onDebug(`next try in ${Math.round(delay)} ms`)
    this.#end = clock.after(delay, () => this.#again('retry'))
  }

  async #handshake(): Promise<void> {
    const controller = new AbortController()
    const { signal } = controller
    this.#end = () => controller.abort()
    try {
      await handshake(this.#options, signal)
      if (signal.aborted) return
      this.#fresh = true
      this.#step({ type: 'answered' })
    } catch (error) {
      if (!signal.aborted) this.#fail(error, 'failed')
    }
  }

  #open(): void {
    const { transport, clock, random } = this.#options
    const stream = new Stream(clock)
    const renewal = new Renewal({
      clock,
      random,
      present: (signal) => handshake(this.#options, signal),
      replace: () => this.#again('reopen'),
      fail: (cause) => this.#fail(cause),
    })
    this.#stream = stream
    this.#renewal = renewal
    this.#settled = false
    this.#end = () => {
      this.#stream = undefined
      renewal.stop()
      stream.close()
    }
    stream.open(transport, this.#position, {
      opened: () => {
        this.#fresh = false
        this.#news.opened()
        this.#step({ type: 'opened' })
      },
      event: (name, data, id) => this.#receive(name, data, id),
      lost: (error) => this.#fail(error, 'lost'),
    })
  }

  /**
   * Handles a failure of the current phase, or of a renewal beside it (without `type`).
   *
   * @returns the minimum delay that the server asked for, in milliseconds
   */
  #fail(cause: unknown, type?: 'failed' | 'lost'): number {
    const failed = failure(cause)
    const { error, wait = 0, hint } = failed
    const { phase, attempt } = this.#state
    const news = this.#news
    this.#options.onDebug(error.message)
    if (failed.type === 'denied') {
      this.refusal = error
      if (error.code === 'UNAUTHORIZED') this.#options.onError(error)
    }
    if (phase !== 'opening' || hint === undefined) news.failed(failed, attempt + 1)
    else if (this.#fresh) news.unopened(failed)
    const good = this.#settled && (this.#stream?.age ?? 0) >= GOOD
    const ended = failed.type === 'ended'
    const next =
      failed.type && !ended ? failed.type : good && type === 'lost' ? (ended ? 'ended' : 'dropped') : type
    if (next) {
      this.#wait = wait
      this.#step({ type: next })
    }
    return wait
  }

  #receive(name: string, data: string, id: string): void {
    let event: ServerEvent | undefined
    try {
      event = decode(name, data, id)
      if (event) this.#take(event, id)
    } catch (error) {
      // The model may be wrong from here on: only a clean start helps.
      this.#position = ''
      this.#options.onError(failure(error).error)
      this.#step({ type: 'broken' })
    }
  }

  #take(event: ServerEvent, id: string): void {
    const { transport, apply } = this.#options
    switch (event.event) {
      case 'session':
        transport.renew(event.data.token, event.data.expiresAt)
        break
      case 'renew':
        this.#renewal?.ask()
        break
      case 'error':
        this.#hear(event.data)
        break
      case 'revoked':
        this.#fail(new ParticleError('UNAUTHORIZED', `Revoked: ${event.data.reason}`), 'lost')
        return
      case 'ready':
        apply(event)
        this.#settled = true
        this.#news.over()
        this.#step({ type: 'complete' })
        break
      case 'ping':
        break
      default:
        this.#apply(event)
    }
    if (id) this.#position = id
  }

  /** Handles an error that the server reports. */
  #hear({ code, message }: { code: string; message: string }): void {
    // No handshake came before the token's end, as after a sleep: another one mends that.
    if (code === 'TOKEN_EXPIRED')
      this.#fail({ error: new ParticleError('UNAUTHORIZED', message), type: 'unauthorized' })
    // A newer server may have codes that this client does not know; they still tell most.
    else this.#options.onError(new ParticleError(code as ErrorCode, message))
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
    // Until the new data has arrived, the old position would claim too much.
    if (event.event === 'reset' || (event.event === 'manifest' && !event.data.resumed)) {
      this.#position = ''
      this.#step({ type: 'late' })
    }
    const complete = this.#options.apply(event)
    this.#step({ type: complete && this.#settled ? 'complete' : 'incomplete' })
  }
}
