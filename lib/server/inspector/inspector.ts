import type { IncomingMessage } from 'node:http'
import type { InspectorEvents } from '../../inspector/messages.ts'
import { encode } from '../../protocol/encode.ts'
import type { Sink } from '../delivery/sink.ts'
import { BEHIND_BYTES } from '../delivery/write-queue.ts'
import type { InspectorGuard } from '../options/inspector-guard.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { Diagnostics } from '../support/diagnostics.ts'
import { admitInspector } from './admission.ts'
import { type FigureSources, figuresOf } from './figures.ts'
import { tailRecords } from './tail-records.ts'

/** The time between two figures, in milliseconds. */
const INTERVAL_MS = 1_000

/** The life of a page's stream, in milliseconds. The guard decides again when the page reconnects. */
const LIFE_MS = 300_000

/** Describes a page's request. */
export interface InspectorRequest {
  /** The number of the connection whose events the page shows. */
  tail?: number | undefined
  /** Selects the connections that the page lists. */
  find?: string | undefined
}

/** Sends the figures, the steps, and the events of one connection to the inspector's pages. */
export class Inspector {
  readonly #guard: InspectorGuard
  readonly #diagnostics: Diagnostics
  readonly #sources: FigureSources
  readonly #pages = new Set<() => void>()

  constructor(guard: InspectorGuard, diagnostics: Diagnostics, sources: FigureSources) {
    this.#guard = guard
    this.#diagnostics = diagnostics
    this.#sources = sources
  }

  /** Creates the inspector of a server, if the options have one. */
  static create(
    { inspector, diagnostics }: Pick<ResolvedOptions, 'inspector' | 'diagnostics'>,
    sources: FigureSources,
  ): Inspector | undefined {
    return inspector && new Inspector(inspector, diagnostics, sources)
  }

  /** Runs the guard. @throws ParticleError as {@link admitInspector} does */
  admit(request: IncomingMessage): Promise<void> {
    return admitInspector(this.#guard, request)
  }

  /** Serves a page. Returns the function that stops, to call when the page goes. */
  open(sink: Sink, { tail, find }: InspectorRequest): () => void {
    const page = new Page(sink)
    const show = () => page.send('figures', figuresOf(this.#sources, find))
    const stream = [...this.#sources.streams.open].find(({ connection }) => connection.number === tail)
    const untap = stream?.connection.tap((bytes) => page.tail(bytes))
    if (tail !== undefined && !stream) page.closed(`Stream ${tail} is not open here`)
    const unlisten = this.#diagnostics.listen((message, event) => {
      page.send('step', { time: new Date().toISOString(), name: event.name, message })
      if (event.name === 'stream.close' && event.stream === tail) page.closed(message)
    })
    const timer = setInterval(show, INTERVAL_MS).unref()
    const life = setTimeout(() => end(), LIFE_MS).unref()
    const close = () => {
      clearInterval(timer)
      clearTimeout(life)
      untap?.()
      unlisten()
      this.#pages.delete(end)
    }
    const end = () => {
      close()
      sink.end()
    }
    this.#pages.add(end)
    show()
    return close
  }

  /** Ends the streams of all pages. */
  close(): void {
    for (const end of [...this.#pages]) end()
  }
}

/** Writes to one page. Leaves events out while the page reads too slowly, so that none wait in memory. */
class Page {
  readonly #sink: Sink
  #skipped = 0

  constructor(sink: Sink) {
    this.#sink = sink
  }

  send<N extends keyof InspectorEvents>(event: N, data: InspectorEvents[N]): void {
    if (this.#isBehind()) return
    if (this.#skipped > 0) {
      const events = this.#skipped
      this.#skipped = 0
      this.send('skipped', { events })
    }
    this.#sink.write(Buffer.from(encode({ event, data })))
  }

  tail(bytes: Buffer): void {
    if (this.#isBehind()) return
    const time = new Date().toISOString()
    for (const record of tailRecords(bytes)) this.send('tail', { time, ...record })
  }

  /** Reports the end of the connection that the page tails. */
  closed(sentence: string): void {
    this.send('tail', { time: new Date().toISOString(), event: 'closed', bytes: 0, words: [sentence] })
  }

  #isBehind(): boolean {
    const isBehind = this.#sink.buffered() > BEHIND_BYTES
    if (isBehind) this.#skipped++
    return isBehind
  }
}
