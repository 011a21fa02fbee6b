import { type ErrorCode, ParticleError } from '../errors.ts'
import { invalidOption } from '../model/unknown.ts'
import { decode } from '../protocol/decode.ts'
import { type EventData, PROTOCOL, type ServerEvent } from '../protocol/messages.ts'
import { backoff } from './backoff.ts'
import { FailureReporter } from './failure-reporter.ts'
import { handshake, type RequestOptions, StreamRequests } from './requests.ts'
import { type Happening, INITIAL, next, type Phase, type State, type Status, statusOf } from './state.ts'
import { openStream } from './stream.ts'
import { failure, revocation, type Sink } from './transport.ts'

/** Limits the silence of a doubted stream and the duration of a quiet replacement, in milliseconds. */
const DOUBT_TIMEOUT_MS = 2000
/**
 * Sets the age from which a lost stream is replaced at once, in milliseconds. Replacing younger streams at
 * once could cause a tight loop.
 */
const MIN_GOOD_AGE_MS = 1000

/** Lists the phases with a stream, or an attempt at one, that can be doubted. */
const ACTIVE: readonly Phase[] = ['handshaking', 'opening', 'waiting', 'ready']

/** Configures a link. Only `apply` and `identity` may throw. */
export interface LinkOptions extends RequestOptions {
  /**
   * Applies an event to the model and returns whether the model is complete. Throws when the event can't be
   * applied.
   */
  apply: (event: ServerEvent) => boolean
  onStatus: (status: Status) => void
  /** Called when the model is complete up to a new position. */
  onPosition: () => void
  /** Receives each error. `root` is the root that the server reports the error for. */
  onError: (error: ParticleError, root?: string) => void
  onDebug: (message: string) => void
}

/**
 * Keeps the connection with a server open. `next` (state.ts, with a drawing of the phases) decides the phase,
 * and this class does the work of each phase:
 *
 *    happening --> #step: next(state, happening) --> handshaking: #handshake()  answered, failed, denied
 *        ^                                           opening:     #open()       opened, lost, #receive()
 *        |                                           delaying:    #delay()      retry
 *        +------------------- the work reports its result as the next happening -------------------+
 *
 * Each phase has a `#work`, whose signal stops it. `#step` aborts the work when a new phase replaces it,
 * except for `waiting` and `ready`, which continue the stream of `opening`.
 */
export class Link {
  /** The reason of the server's refusal, once the server has refused. */
  refusal: ParticleError | undefined
  readonly #options: LinkOptions
  readonly #reporter: FailureReporter
  #state: State = INITIAL
  /** The last position at which the model was complete. A new stream continues from this position. */
  position = ''
  /** Whether the client shows the model of another page until it is connected. */
  restored = false
  /** Whether the server has said on this stream that the model is complete. */
  #settled = false
  /** Whether the token of the last handshake has not opened a stream yet. */
  #fresh = false
  /** The parties that have paused the connection. */
  readonly #pausing = new Set<'user' | 'page'>()
  /** The minimum delay that the server asked for, in milliseconds. */
  #wait = 0
  /** The server's clock minus the local one, in milliseconds. */
  #lead = 0
  #requests: StreamRequests | undefined
  /** Counts the signs of life of all streams. */
  #signs = 0
  /** The time at which the open stream has opened. */
  #opened: number | undefined
  /** Stops the work of the current phase. */
  #work = new AbortController()
  #endDoubt: (() => void) | undefined
  #endQuiet: (() => void) | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.#reporter = new FailureReporter(options.onError)
  }

  get status(): Status {
    const status = statusOf(this.#state)
    return this.restored && status === 'connecting' ? 'stale' : status
  }

  start(): void {
    this.#step({ type: 'start' })
  }

  /** Closes the stream and keeps the position until every party that paused has resumed. */
  pause(by: 'user' | 'page'): void {
    this.#pausing.add(by)
    this.#step({ type: 'pause', quiet: by === 'page' && this.#pausing.size === 1 })
  }

  /** Opens a stream from the position at once. */
  resume(by: 'user' | 'page'): void {
    if (this.#pausing.delete(by) && this.#pausing.size === 0) this.#again('resume')
  }

  /** Ends a delay, or replaces an open stream that stays silent for 2 s. */
  doubt(): void {
    const { phase } = this.#state
    if (phase === 'delaying') this.#again('retry')
    if (!ACTIVE.includes(phase)) return
    const signs = this.#signs
    this.#endDoubt ??= this.#options.clock.after(DOUBT_TIMEOUT_MS, () => {
      this.#endDoubt = undefined
      if (this.#signs === signs) this.#again('reopen')
    })
  }

  /** Asks the server of the open stream for changes of the watched roots. */
  watch(): void {
    this.#requests?.watch()
  }

  /** Asks the server of the open stream for the positions that the page waits for. */
  reach(): void {
    this.#requests?.reach()
  }

  close(): void {
    this.#step({ type: 'close' })
  }

  #again(type: 'retry' | 'reopen' | 'resume'): void {
    this.#step({ type, expired: this.#options.transport.expired })
  }

  #step(happening: Happening): void {
    const state = next(this.#state, happening)
    if (state === this.#state) return
    const before = this.status
    this.#state = state
    const { phase, quiet } = state
    const goesOn = happening.type === 'late'
    if (!goesOn && phase !== 'waiting' && phase !== 'ready') {
      this.#endDoubt?.()
      this.#endDoubt = undefined
      this.#work.abort()
      this.#work = new AbortController()
    }
    if (quiet && phase !== 'paused') {
      this.#endQuiet ??= this.#options.clock.after(DOUBT_TIMEOUT_MS, () => this.#step({ type: 'late' }))
    } else {
      this.#endQuiet?.()
      this.#endQuiet = undefined
    }
    const { status } = this
    if (status !== before) {
      this.#options.onDebug(`${before} -> ${status}`)
      this.#options.onStatus(status)
    }
    // Stops here when a listener of the status has closed the client.
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
    this.#work.signal.addEventListener(
      'abort',
      clock.after(delay, () => this.#again('retry')),
    )
  }

  async #handshake(): Promise<void> {
    const { signal } = this.#work
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
    const { transport, clock, watched, barriers } = this.#options
    const { signal } = this.#work
    this.#requests = new StreamRequests({
      ...this.#options,
      signal,
      replace: () => this.#again('reopen'),
      fail: (cause) => this.#fail(cause),
    })
    this.#settled = false
    this.#opened = undefined
    const start = { ...watched.start(this.position, transport.maxWatched), reached: barriers.start() }
    const opened = () => {
      this.#signs++
      this.#opened ??= clock.now()
      this.#fresh = false
      this.#reporter.opened()
      this.#step({ type: 'opened' })
    }
    const sink: Sink = {
      opened,
      event: (name, data, id) => this.#receive(name, data, id),
      lost: (error) => this.#fail(error, 'lost'),
    }
    openStream(transport, start, sink, clock, signal)
  }

  /**
   * Handles a failure of the current phase, or of a request (without `type`), which leaves the phase as it
   * is.
   *
   * @returns the minimum delay that the server asked for, in milliseconds
   */
  #fail(cause: unknown, type?: 'failed' | 'lost'): number {
    const failed = failure(cause)
    const { error, wait = 0, hint } = failed
    const { phase, attempt } = this.#state
    const reporter = this.#reporter
    this.#options.onDebug(error.message)
    if (failed.type === 'denied') {
      this.refusal = error
      if (error.code === 'UNAUTHORIZED') this.#options.onError(error)
    }
    if (phase !== 'opening' || hint === undefined) reporter.failed(failed, attempt + 1)
    else if (this.#fresh) reporter.unopened(failed)
    const age = this.#options.clock.now() - (this.#opened ?? Number.POSITIVE_INFINITY)
    const good = this.#settled && age >= MIN_GOOD_AGE_MS
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
      event = decode(name, data, id, this.#lead)
      if (event) this.#take(event, id)
    } catch (error) {
      // Starts over without a position, because the model may be wrong.
      this.position = ''
      this.#options.onError(failure(error).error)
      this.#step({ type: 'broken' })
    }
  }

  #take(event: ServerEvent, id: string): void {
    const { transport } = this.#options
    switch (event.event) {
      case 'session':
        transport.renew(event.data.token, event.data.expiresAt)
        break
      case 'renew':
        this.#requests?.renew()
        break
      case 'error':
        this.#reportServerError(event.data)
        break
      case 'revoked':
        this.#fail(revocation(event.data.reason), 'lost')
        return
      case 'ping':
        break
      default:
        this.#apply(event)
    }
    if (!id) return
    this.position = id
    this.#options.watched.hold()
    this.#options.onPosition()
  }

  /** Handles an error event of the server. */
  #reportServerError({ code, message, root }: EventData['error']): void {
    // Makes a new handshake: the token has expired before a renewal, as after a sleep.
    if (code === 'TOKEN_EXPIRED')
      this.#fail({ error: new ParticleError('UNAUTHORIZED', message), type: 'unauthorized' })
    // Passes unknown codes on, because a newer server may have more codes.
    else this.#options.onError(new ParticleError(code as ErrorCode, message), root)
  }

  #apply(event: ServerEvent): void {
    if (event.event === 'manifest') {
      this.#settled = false
      const { protocol } = event.data
      if (protocol !== PROTOCOL) {
        this.#fail(
          invalidOption(`The server speaks version ${protocol} of the protocol, this client ${PROTOCOL}.`),
          'lost',
        )
        return
      }
    }
    // Forgets the old position until the new data has arrived. A client without that data is not at the
    // position.
    if (event.event === 'reset' || (event.event === 'manifest' && !event.data.resumed)) {
      this.position = ''
      this.#step({ type: 'late' })
    }
    const complete = this.#options.apply(event)
    if (event.event === 'ready') {
      this.#settled = true
      this.#lead = Date.parse(event.data.timestamp) - Date.now() || 0
      this.#reporter.over()
    }
    this.#step({ type: complete && this.#settled ? 'complete' : 'incomplete' })
    if (event.event === 'manifest') this.#requests?.begin()
  }
}
