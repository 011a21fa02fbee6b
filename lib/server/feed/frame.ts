import type { DocumentOperation } from '../../model/operation.ts'
import { encode } from '../../protocol/encode.ts'
import { wireOperation } from '../../protocol/messages.ts'
import { formatPosition } from '../../protocol/position.ts'
import type { PositionSeal } from '../tokens/position-seal.ts'

/** Bytes that a frame and each of its operations are reckoned at, before it is encoded. */
const FRAME = 200
const OPERATION = 100

/**
 * One entry as one view shows it: filtered once, encoded once when somebody first needs it, shared by all
 * connections of the view.
 */
export class Frame {
  readonly root: string
  readonly timestamp: string
  readonly oplist: readonly DocumentOperation[]
  readonly #charge: (bytes: number) => void
  #body: Buffer | undefined

  /** @param charge told of the bytes that the frame takes: now, and once more when it is encoded */
  constructor(
    root: string,
    timestamp: string,
    oplist: readonly DocumentOperation[],
    charge: (bytes: number) => void,
  ) {
    this.root = root
    this.timestamp = timestamp
    this.oplist = oplist
    this.#charge = charge
    charge(FRAME + OPERATION * oplist.length)
  }

  /**
   * Joins frames of one view that follow each other to one event. It is shown at once and then forgotten:
   * unlike the frames that it is made of, the log does not keep it for those who come back.
   */
  static join(frames: readonly [Frame, ...Frame[]]): Frame {
    const [first] = frames
    const { timestamp } = frames.at(-1) ?? first
    if (frames.length === 1) return first
    const oplist = frames.flatMap((frame) => frame.oplist)
    return new Frame(first.root, timestamp, oplist, () => {})
  }

  /** The `delta` event, without an id. */
  get body(): Buffer {
    if (this.#body) return this.#body
    const { root, timestamp, oplist } = this
    const text = encode({ event: 'delta', data: { root, timestamp, oplist: oplist.map(wireOperation) } })
    this.#body = Buffer.from(text)
    this.#charge(this.#body.length)
    return this.#body
  }
}

/** An entry that can't be told as a delta: the root must be read again. */
export const MUST_RELOAD = Symbol('barrier')

/** What a view shows of an entry. */
export type FrameResult = Frame | typeof MUST_RELOAD

/**
 * So many lines of a point are kept: of more rights than these, few have a second connection that comes soon.
 */
const MAX_LINES = 1_000

/**
 * The `id:` lines of points. A line goes out right before the event that it belongs to; all connections of
 * the same rights share its bytes.
 */
export class IdLines {
  readonly #seal: Pick<PositionSeal, 'seal'>
  #point = ''
  readonly #lines = new Map<string, Buffer>()

  constructor(seal: Pick<PositionSeal, 'seal'>) {
    this.#seal = seal
  }

  /** Forgets the lines: what is sent from here on has other texts, also where nothing has happened. */
  clear(): void {
    this.#lines.clear()
  }

  line(point: string, rights: string): Buffer {
    if (point !== this.#point) {
      this.#point = point
      this.#lines.clear()
    }
    let line = this.#lines.get(rights)
    if (!line) {
      line = Buffer.from(`id: ${this.#seal.seal(formatPosition(point, rights))}\n`)
      if (this.#lines.size >= MAX_LINES) this.#lines.clear()
      this.#lines.set(rights, line)
    }
    return line
  }
}
