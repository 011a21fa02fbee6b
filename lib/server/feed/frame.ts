import type { DocumentOperation } from '../../model/operation.ts'
import type { DeltaFacts } from '../../protocol/delta.ts'
import { encode } from '../../protocol/encode.ts'

/** Estimates the bytes of a frame and of each operation before the encoding. */
const FRAME_BYTES = 200
const OPERATION_BYTES = 100

/** The age from which a change is sent with its time, in milliseconds. Clients date the others themselves. */
const OLD_MS = 2_000

/** Marks an encoded delta as a part of a moment that has not ended. */
export function withMore(delta: Buffer): Buffer {
  return withFacts(delta, { more: true })
}

function withFacts(delta: Buffer, facts: DeltaFacts): Buffer {
  return Buffer.concat([delta.subarray(0, -END.length), Buffer.from(`,${JSON.stringify(facts)}${END}`)])
}

const END = ']\n\n'

/** Counts the bytes of frames: an entry of the log. */
interface Accounting {
  readonly bytes: number
  account(bytes: number): void
}

/**
 * Holds one view's delta of one entry. The delta is filtered once, encoded once at its first use, and shared
 * by all connections of the view.
 */
export class Frame {
  readonly root: string
  readonly timestamp: string
  readonly oplist: readonly DocumentOperation[]
  readonly #entry: Accounting | undefined
  #body: Buffer | undefined
  #partial: Buffer | undefined
  /** Whether the event has the timestamp. */
  #isDated = false

  /** @param entry accounts the frame's bytes: now, and again when the frame is encoded */
  constructor(root: string, timestamp: string, oplist: readonly DocumentOperation[], entry?: Accounting) {
    this.root = root
    this.timestamp = timestamp
    this.oplist = oplist
    this.#entry = entry
    entry?.account(FRAME_BYTES + OPERATION_BYTES * oplist.length)
  }

  /**
   * Joins consecutive frames of one view to one event. The joined frame is sent at once and then dropped. The
   * log keeps the single frames for clients that resume.
   */
  static join(frames: readonly [Frame, ...Frame[]]): Frame {
    const [first] = frames
    const { timestamp } = frames.at(-1) ?? first
    if (frames.length === 1) return first
    const oplist = frames.flatMap((frame) => frame.oplist)
    return new Frame(first.root, timestamp, oplist, {
      bytes: frames.reduce((sum, { weight }) => sum + weight, 0),
      account: () => {},
    })
  }

  /** The estimated bytes of the entries behind the frame. */
  get weight(): number {
    return this.#entry?.bytes ?? 0
  }

  /** Returns the encoded `delta` event, without an id. */
  get body(): Buffer {
    if (this.#body) return this.#body
    const { root, oplist } = this
    this.#isDated = this.#isOld
    const timestamp = this.#isDated ? this.timestamp : undefined
    this.#body = Buffer.from(encode({ event: 'delta', data: { root, timestamp, oplist } }))
    this.#entry?.account(this.#body.length)
    return this.#body
  }

  /** Returns the encoded event with `more`, for a client to which more of the same moment follows. */
  get partial(): Buffer {
    if (!this.#partial) {
      this.#partial = withMore(this.body)
      this.#entry?.account(this.#partial.length)
    }
    return this.#partial
  }

  /** The frame for a client that gets it late: with the timestamp, if the change is old by now. */
  get dated(): Frame {
    const { root, timestamp, oplist, body } = this
    if (this.#isDated || !this.#isOld) return this
    const dated = new Frame(root, timestamp, oplist)
    dated.#body = withFacts(body, { timestamp })
    return dated
  }

  get #isOld(): boolean {
    return Math.abs(Date.now() - Date.parse(this.timestamp)) > OLD_MS
  }
}

/** Stands for an entry that can't be expressed as a delta, so that the root must be read again. */
export const MUST_RELOAD = Symbol('must reload')

/** Describes a view's result for an entry. */
export type FrameResult = Frame | typeof MUST_RELOAD
