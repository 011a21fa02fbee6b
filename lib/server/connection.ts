import { ParticleError } from '../errors.ts'
import { encode } from '../protocol/encode.ts'
import type { ServerEvent } from '../protocol/messages.ts'
import { PROTOCOL } from '../protocol/messages.ts'
import type { Flusher } from './flusher.ts'
import type { Entry, Log } from './log.ts'
import { pause } from './pause.ts'
import { WriteQueue } from './queue.ts'
import type { Sink } from './sink.ts'
import { BARRIER, type Frame, type View, type Viewer } from './view.ts'

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly log: Log
  readonly flusher: Flusher
  readonly maxBufferedBytes: number
  /** The text of the present position. */
  currentId(): string
  onError(error: unknown, root: string): void
}

/** Why a stream starts as it does. */
export interface Start {
  /** The position that the client presented was honoured: it is replayed from this sequence. */
  sequence?: number
  /** Whether the position was given for the view that the client has of a root now. */
  holds: (root: string) => boolean
  /** A position was presented: what isn't resumed must be reset. */
  presented: boolean
  /** Why the position does not hold. */
  reason?: string
}

type RootState = 'loading' | 'replaying' | 'live'

const RETRY_FIRST = 500
const RETRY_LAST = 30_000

/** One client's stream: it brings each root from a snapshot or a position up to the present, then passes on the frames of its views. */
export class Connection implements Viewer {
  readonly views: readonly View[]
  readonly #queue: WriteQueue
  readonly #host: ConnectionHost
  readonly #states = new Map<View, RootState>()
  #unready = 0
  #lastEntry: Entry | undefined
  #lastFrame: Frame | undefined
  #stalled = false
  #closed = false
  #epochs = new Map<View, number>()
  readonly #onClose: () => void

  constructor(sink: Sink, views: readonly View[], host: ConnectionHost, onClose: () => void) {
    this.#queue = new WriteQueue(sink, host.flusher)
    this.views = views
    this.#host = host
    this.#onClose = onClose
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whether the client holds everything up to the present. */
  get ready(): boolean {
    return this.#unready === 0 && !this.#stalled
  }

  /** Sends the manifest and brings every root up to date. */
  start(start: Start): void {
    const { sequence } = start
    const resumed = sequence !== undefined
    this.send({
      event: 'manifest',
      data: {
        protocol: PROTOCOL,
        timestamp: now(),
        resumed,
        ...(start.reason === undefined ? {} : { reason: start.reason }),
        sources: Object.fromEntries(this.views.map((view) => [view.root, view.manifest])),
      },
    })
    const replayed: View[] = []
    const fresh: View[] = []
    for (const view of this.views) {
      view.viewers.add(this)
      if (sequence !== undefined && start.holds(view.root) && view.resumes(sequence)) replayed.push(view)
      else fresh.push(view)
    }
    this.#unready = this.views.length
    for (const view of fresh) this.#load(view, start.presented ? (start.reason ?? 'history-lost') : undefined)
    if (sequence !== undefined && replayed.length > 0) {
      for (const view of replayed) this.#states.set(view, 'replaying')
      void this.#replay(replayed, sequence)
    }
    if (this.views.length === 0) this.#readyNow()
  }

  /** Sends an event of this connection's own. */
  send(event: ServerEvent): void {
    this.push(Buffer.from(encode(event)))
  }

  /** Queues bytes for the end of this turn. */
  push(bytes: Buffer): void {
    if (this.#closed || this.#stalled) return
    this.#queue.push(bytes)
    this.#lastEntry = undefined
  }

  deliver(view: View, entry: Entry, frame: Frame): void {
    if (this.#closed || this.#stalled) return
    if (this.#unready > 0 && this.#states.get(view) !== 'live') return
    // Only the last of an entry's frames may carry the id: the client holds the whole entry only then.
    if (this.#lastEntry === entry && this.#lastFrame) {
      this.#queue.replaceLast(this.#lastFrame.live, this.#lastFrame.body)
    }
    this.push(this.#unready === 0 ? frame.live : frame.body)
    this.#lastEntry = entry
    this.#lastFrame = frame
    if (this.#queue.exceeds(this.#host.maxBufferedBytes)) this.#stall()
  }

  reset(view: View, reason: string): void {
    if (this.#closed || this.#stalled) return
    if (this.#states.get(view) === 'live') this.#unready++
    // What the same entry showed in another root must not tell the client that it holds the entry.
    if (this.#lastFrame) this.#queue.replaceLast(this.#lastFrame.live, this.#lastFrame.body)
    this.#load(view, reason)
  }

  failed(view: View): void {
    if (this.#closed || this.#stalled) return
    this.send({
      event: 'error',
      data: {
        root: view.root,
        code: 'SOURCE_FAILED',
        message: `The source of ${view.root} can't be followed at present`,
      },
    })
  }

  /** Ends the stream after a last event. */
  end(event?: ServerEvent): void {
    if (this.#closed) return
    if (event) {
      this.#stalled = false
      this.send(event)
    }
    this.#queue.end()
    this.close()
  }

  /** The client has gone away, or is to go. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#queue.close()
    for (const view of this.views) view.viewers.delete(this)
    this.#onClose()
  }

  #readyNow(): void {
    this.send({ event: 'ready', data: { timestamp: now() }, id: this.#host.currentId() })
  }

  #live(views: readonly View[]): void {
    for (const view of views) this.#states.set(view, 'live')
    this.#unready -= views.length
    if (this.#unready === 0) this.#readyNow()
  }

  /** Brings one root up to date from a snapshot; tries again, with back-off, when its source fails. */
  #load(view: View, reason: string | undefined): void {
    const epoch = (this.#epochs.get(view) ?? 0) + 1
    this.#epochs.set(view, epoch)
    this.#states.set(view, 'loading')
    if (reason !== undefined) this.send({ event: 'reset', data: { root: view.root, reason }, id: '' })
    const current = () => !this.#closed && !this.#stalled && this.#epochs.get(view) === epoch
    void this.#loadUntilDone(view, current)
  }

  async #loadUntilDone(view: View, current: () => boolean): Promise<void> {
    for (let delay = RETRY_FIRST; current(); delay = Math.min(delay * 2, RETRY_LAST)) {
      try {
        const snapshot = await view.snapshot()
        if (!current()) return
        for (const part of snapshot.parts) {
          this.push(part)
          await this.#queue.room()
          if (!current()) return
        }
        await this.#catchUp([view], snapshot.sequence, current, false)
        return
      } catch (error) {
        if (!current()) return
        if (!(error instanceof ParticleError && error.code === 'CLOSED')) {
          this.#host.onError(error, view.root)
          this.failed(view)
        }
        await pause(delay)
      }
    }
  }

  async #replay(views: readonly View[], sequence: number): Promise<void> {
    const epochs = views.map((view) => this.#epochs.get(view))
    const current = () =>
      !this.#closed &&
      !this.#stalled &&
      views.every((view, index) => this.#epochs.get(view) === epochs[index])
    try {
      await Promise.all(views.map((view) => view.open()))
    } catch (error) {
      if (!current()) return
      for (const view of views) {
        this.#host.onError(error, view.root)
        this.#load(view, 'history-lost')
      }
      return
    }
    if (current() && views.every((view) => view.resumes(sequence))) {
      if (await this.#catchUp(views, sequence, current, true)) return
    }
    // A root was reset while the replay was under way: those that were still being replayed begin anew.
    if (this.#closed || this.#stalled) return
    for (const view of views) if (this.#states.get(view) === 'replaying') this.#load(view, 'history-lost')
  }

  /**
   * Sends what the log has for the views after a sequence, and makes them live in the very step in which it finds the log's head: nothing can
   * come between the last entry replayed and the first delivered. False when it was overtaken, or the log no longer reaches back: then the
   * roots are being loaded anew.
   */
  async #catchUp(
    views: readonly View[],
    after: number,
    current: () => boolean,
    ids: boolean,
  ): Promise<boolean> {
    const { log } = this.#host
    for (let at = after + 1; ; at++) {
      if (this.#queue.behind) {
        await this.#queue.room()
        if (!current()) return false
      }
      if (at > log.head) {
        this.#live(views)
        return true
      }
      const entry = log.at(at)
      const frames = entry ? this.#framesOf(views, entry) : BARRIER
      if (!entry || frames === BARRIER) {
        for (const view of views) this.#load(view, 'history-lost')
        return false
      }
      frames.forEach((frame, index) => {
        const last = index === frames.length - 1
        // Only with all roots in the replay does the client hold everything up to the entry, and nothing after it.
        this.push(ids && last && views.length === this.views.length ? frame.live : frame.body)
      })
    }
  }

  #framesOf(views: readonly View[], entry: Entry): Frame[] | typeof BARRIER {
    const frames: Frame[] = []
    for (const view of views) {
      if (view.feed !== entry.feed) continue
      const frame = view.frame(entry)
      if (frame === BARRIER) return BARRIER
      if (frame) frames.push(frame)
    }
    return frames
  }

  /** The client is too slow: its queue goes, and it is reset from fresh snapshots once it has read what the socket holds. */
  #stall(): void {
    this.#stalled = true
    this.#queue.drop(() => {
      this.#stalled = false
      this.#unready = this.views.length
      for (const view of this.views) this.#load(view, 'slow-client')
    })
  }
}

function now(): string {
  return new Date().toISOString()
}
