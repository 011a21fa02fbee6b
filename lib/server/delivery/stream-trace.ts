import type { ServerEvent } from '../../protocol/messages.ts'
import { type DebugFields, type Diagnostics, since } from '../support/diagnostics.ts'
import type { ResumePlan } from './resume.ts'

/** Counts the streams of this process, so that their events can be told apart. */
let streams = 0

/** Reports the events of one stream, and that it has ended to the part that opened it. */
export class StreamTrace {
  readonly #stream = ++streams
  readonly #session: string | undefined
  readonly #diagnostics: Diagnostics
  readonly #onClose: () => void
  /** Whole milliseconds: V8 keeps other numbers in objects of their own, for each stream. */
  readonly #opened = Math.trunc(performance.now())
  /** Since when the client lacks something; undefined while it is up to date. */
  #lacking: number | undefined = this.#opened

  constructor(diagnostics: Diagnostics, session: string | undefined, onClose: () => void) {
    this.#diagnostics = diagnostics
    this.#session = session
    this.#onClose = onClose
  }

  open(roots: string[], presented: boolean): void {
    this.#diagnostics.report('stream.open', { ...this.#fields, roots, presented })
  }

  resume({ presented, points, reason }: ResumePlan): void {
    if (!presented) return
    const resumed = [...(points?.keys() ?? [])].map(({ root }) => root)
    this.#diagnostics.report('stream.resume', { ...this.#fields, resumed, reason })
  }

  ready(): void {
    const now = performance.now()
    this.#diagnostics.report('stream.ready', { ...this.#fields, ms: since(this.#lacking ?? now) })
    this.#lacking = undefined
  }

  /** Reports an event of the wire that has an event here. */
  sent({ event, data }: ServerEvent): void {
    if (event === 'reset') {
      this.#lacking ??= Math.trunc(performance.now())
      this.#diagnostics.report('stream.reset', { ...this.#fields, ...data })
    } else if (event === 'renew') this.#diagnostics.report('stream.renew', { ...this.#fields, ...data })
  }

  diff(root: string, reason: string): void {
    this.#lacking ??= Math.trunc(performance.now())
    this.#diagnostics.report('stream.diff', { ...this.#fields, root, reason })
  }

  slow(bytes: number): void {
    this.#lacking ??= Math.trunc(performance.now())
    this.#diagnostics.report('stream.slow', { ...this.#fields, bytes })
  }

  close(reason: string): void {
    this.#onClose()
    this.#diagnostics.report('stream.close', { ...this.#fields, reason, ms: since(this.#opened) })
  }

  get #fields(): Pick<DebugFields['stream.open'], 'stream' | 'session'> {
    return { stream: this.#stream, session: this.#session }
  }
}

/** Why a stream ends whose last event is this one: the code of an error, or what took the rights away. */
export function closeReasonOf(event: ServerEvent | undefined): string {
  if (event?.event === 'error') return event.data.code
  if (event?.event !== 'revoked') return 'lookup-failed'
  return event.data.reason === 'identity-refused' ? 'identity-refused' : 'revoked'
}
