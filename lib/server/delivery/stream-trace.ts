import type { ServerEvent } from '../../protocol/messages.ts'
import { sourceOf } from '../../protocol/watched-root.ts'
import { type DebugFields, type Diagnostics, since } from '../support/diagnostics.ts'
import type { ResumePlan } from './resume.ts'

/** Counts the streams of this process, so that the events of each stream have a number. */
let streams = 0

/** Receives the turning points of a stream. */
interface StreamListener {
  /** Called when the client has all data up to the present. */
  onReady?: () => void
  onClose: () => void
}

/**
 * Reports the events of one stream, and calls the opener when the stream is ready, and after its end. The
 * events name the sources of watched roots alone, since a parameter's value may be private.
 */
export class StreamTrace {
  /** The number of the stream in this process. */
  readonly number = ++streams
  readonly #session: string | undefined
  readonly #diagnostics: Diagnostics
  readonly #listener: StreamListener
  /** The time of the opening, in whole milliseconds. V8 would keep a fraction in an object of its own. */
  readonly #opened = Math.trunc(performance.now())
  /** The time since which the client lacks data; undefined while the client is up to date. */
  #lacking: number | undefined = this.#opened

  constructor(diagnostics: Diagnostics, session: string | undefined, listener: StreamListener) {
    this.#diagnostics = diagnostics
    this.#session = session
    this.#listener = listener
  }

  /** The number of the stream, and its age in milliseconds. */
  get figures(): { stream: number; age: number } {
    return { stream: this.number, age: since(this.#opened) }
  }

  open(views: readonly { root: string }[], presented: boolean): void {
    if (!this.#diagnostics.has('stream.open')) return
    const roots = views.map(({ root }) => root)
    this.#diagnostics.report('stream.open', { ...this.#fields, roots, presented })
  }

  resume({ presented, points, reason }: ResumePlan): void {
    if (!presented) return
    const resumed = [...new Set([...(points?.keys() ?? [])].map(({ root }) => sourceOf(root)))]
    this.#diagnostics.report('stream.resume', { ...this.#fields, resumed, reason })
  }

  ready(): void {
    if (this.#diagnostics.has('stream.ready')) {
      const ms = this.#lacking === undefined ? 0 : since(this.#lacking)
      this.#diagnostics.report('stream.ready', { ...this.#fields, ms })
    }
    this.#lacking = undefined
    this.#listener.onReady?.()
  }

  /** Reports an event of the wire that has a debug event. */
  sent({ event, data }: ServerEvent): void {
    if (event === 'reset') {
      this.#lacking ??= Math.trunc(performance.now())
      const { root, reason } = data
      this.#diagnostics.report('stream.reset', { ...this.#fields, root: sourceOf(root), reason })
    } else if (event === 'error' && data.root !== undefined && data.code === 'FORBIDDEN') {
      const refused = { code: data.code, session: this.#session, root: sourceOf(data.root) }
      this.#diagnostics.traces.report('audit', { action: 'refusal', at: Date.now(), ...refused })
    } else if (event === 'renew') this.#diagnostics.report('stream.renew', { ...this.#fields, ...data })
  }

  diff(root: string, reason: string): void {
    this.#lacking ??= Math.trunc(performance.now())
    this.#diagnostics.report('stream.diff', { ...this.#fields, root: sourceOf(root), reason })
  }

  slow(bytes: number): void {
    this.#lacking ??= Math.trunc(performance.now())
    this.#diagnostics.report('stream.slow', { ...this.#fields, bytes })
  }

  close(reason: string): void {
    this.#listener.onClose()
    if (reason === 'revoked' || reason === 'identity-refused') {
      const lost = { ...this.#fields, cause: reason }
      this.#diagnostics.traces.report('audit', { action: 'revocation', at: Date.now(), ...lost })
    }
    if (this.#diagnostics.has('stream.close'))
      this.#diagnostics.report('stream.close', { ...this.#fields, reason, ms: since(this.#opened) })
  }

  get #fields(): Pick<DebugFields['stream.open'], 'stream' | 'session'> {
    return { stream: this.number, session: this.#session }
  }
}

/**
 * Returns the reason of a stream's end from its last event: the code of an error, or the reason of a
 * revocation.
 */
export function closeReasonOf(event: ServerEvent | undefined): string {
  if (event?.event === 'error') return event.data.code
  if (event?.event !== 'revoked') return 'lookup-failed'
  const { reason } = event.data
  return reason === 'identity-refused' || reason === 'replaced' ? reason : 'revoked'
}
