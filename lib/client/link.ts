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

/** Within this time a stream that is doubted must give a sign of life, and a quiet replacement be there, in milliseconds. */
const DOUBT = 2000
/** How old a stream must be for its successor to be opened at once, in milliseconds: there must be no tight loop. */
const GOOD = 1000

/** The phases in which a stream, or a try to get one, can be doubted. */
const ACTIVE: readonly Phase[] = ['handshaking', 'opening', 'waiting', 'ready']

/** What a link needs, and whom it tells. None of the callbacks may throw but `apply` and `identity`. */
export interface LinkOptions extends Presenting {
  random: () => number
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
  readonly #news: News
  #state: State = INITIAL
  /** Where the stream ended that was lost: after this event the model was complete. */
  #position = ''
  /** Whether the server has said on this stream that the model is complete. */
  #settled = false
  /** Whether no stream has been opened yet by the token of the last handshake. */
  #fresh = false
  /** Who wants no connection for now. */
  readonly #pausing = new Set<'user' | 'page'>()
  /** The least delay that the server asked for, in milliseconds. */
  #wait = 0
  #stream: Stream | undefined
  #renewal: Renewal | undefined
  /** Ends what the phase began. */
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

  /** Closes the stream and keeps the position, until all who paused have resumed. */
  pause(by: 'user' | 'page'): void {
    this.#pausing.add(by)
    this.#step({ type: 'pause', quiet: by === 'page' && this.#pausing.size === 1 })
  }

  /** Goes on from the position, at once. */
  resume(by: 'user' | 'page'): void {
    if (this.#pausing.delete(by) && this.#pausing.size === 0) this.#again('resume')
  }

  /** Tries again now if it is waiting to; else wants a sign of life soon, or takes another stream. */
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
    // Whoever heard of the status may have closed the client.
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

  /** Takes a failure of what the phase began, or of what goes on beside it (without `type`); returns for how long to wait, at least. */
  #fail(cause: unknown, type?: 'failed' | 'lost'): number {
    const failed = failure(cause)
    const { error, wait = 0, hint } = failed
    const { phase, attempt } = this.#state
    const news = this.#news
    this.#options.onDebug(error.message)
    if (failed.type === 'denied') this.refusal = error
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
      // What is here may be wrong by now, or would be after the next event: only a clean start helps.
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

  /** Takes what the server says of itself. */
  #hear({ code, message }: { code: string; message: string }): void {
    // The token's time is up, and nobody has presented the identity anew: that is no news, and mended by a handshake.
    if (code === 'TOKEN_EXPIRED')
      this.#fail({ error: new ParticleError('UNAUTHORIZED', message), type: 'unauthorized' })
    // A newer server may have codes that this client does not know of; they are still the best that can be said.
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
    // Until the new data is here, the old position says too much.
    if (event.event === 'reset' || (event.event === 'manifest' && !event.data.resumed)) {
      this.#position = ''
      this.#step({ type: 'late' })
    }
    const complete = this.#options.apply(event)
    this.#step({ type: complete && this.#settled ? 'complete' : 'incomplete' })
  }
}
