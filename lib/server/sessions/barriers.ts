import { ParticleError } from '../../errors.ts'
import type { SourcePositions } from '../registry/source-positions.ts'
import { Quota } from '../support/quota.ts'
import { rightsRead, type Stream } from './stream.ts'

/** Limits the positions that one stream waits for at the same time. */
const MAX_POSITIONS = 1_000

/** Limits the positions that all streams wait for at the same time, and those of one address. */
const MAX_ALL_POSITIONS = 100_000
const MAX_POSITIONS_PER_ADDRESS = 10_000

/**
 * Limits the wait for a position, in milliseconds. Positions that never come would fill the limits. A client
 * that still waits asks again.
 */
const WAIT_MS = 60_000

/** Holds the positions that a stream waits for. */
interface Waiting {
  readonly positions: Set<string>
  /** Called once the stream's client is ready, or the stream has ended. */
  readonly wakes: (() => void)[]
}

/** Reports to clients that their stream has reached a position of a source. */
export class Barriers {
  readonly #positions: SourcePositions
  readonly #waiting = new Map<Stream, Waiting>()
  readonly #places = new Quota(MAX_ALL_POSITIONS, MAX_POSITIONS_PER_ADDRESS)

  constructor(positions: SourcePositions) {
    this.#positions = positions
  }

  /**
   * Checks positions before a stream waits for them.
   *
   * @throws ParticleError `INVALID_MESSAGE`, or `TOO_MANY_REQUESTS` for more positions than a stream may wait
   *   for
   */
  check(positions: readonly string[]): void {
    if (positions.length > MAX_POSITIONS) throw tooMany()
    for (const position of positions) this.#positions.check(position)
  }

  /**
   * Sends the event `reached` for each position, once the client has everything up to it. A position that the
   * stream waits for already is sent once. Gives a position up after a minute.
   *
   * @throws ParticleError `TOO_MANY_REQUESTS`
   */
  report(stream: Stream, positions: readonly string[]): void {
    const waiting = this.#waiting.get(stream) ?? { positions: new Set(), wakes: [] }
    const added = new Set(positions.filter((position) => !waiting.positions.has(position)))
    if (waiting.positions.size + added.size > MAX_POSITIONS) throw tooMany()
    if (added.size > 0) this.#waiting.set(stream, waiting)
    for (const position of added) {
      if (this.#places.take(stream.origin?.address)) throw tooMany()
      waiting.positions.add(position)
      void this.#report(stream, position, waiting)
    }
  }

  /**
   * Reports the positions of a new stream. Leaves out those over the limits, for which a client asks again,
   * and those that an earlier process without a secret has sealed: they must not refuse the stream.
   */
  begin(stream: Stream, positions: readonly string[]): void {
    try {
      this.report(
        stream,
        positions.slice(0, MAX_POSITIONS).filter((position) => this.#positions.has(position)),
      )
    } catch {
      // An error would leave the open stream behind.
    }
  }

  /** Continues when the stream's client has all data up to the present. */
  ready(stream: Stream): void {
    for (const wake of this.#waiting.get(stream)?.wakes.splice(0) ?? []) wake()
  }

  /** Forgets a stream that has ended. */
  delete(stream: Stream): void {
    this.ready(stream)
    this.#waiting.delete(stream)
  }

  async #report(stream: Stream, position: string, { positions, wakes }: Waiting): Promise<void> {
    const { connection, origin } = stream
    const isOpen = () => this.#waiting.has(stream)
    const isReached = await this.#positions.reached(position, WAIT_MS)
    this.#places.giveBack(origin?.address)
    if (!isReached) {
      this.#forget(stream, position, positions)
      return
    }
    // Waits for documents that a right depends on, since the change may have granted or revoked rights by a
    // relation.
    await rightsRead(stream)
    while (isOpen() && !connection.ready) await new Promise<void>((resolve) => wakes.push(resolve))
    if (!isOpen()) return
    connection.send({ event: 'reached', data: { position } })
    this.#forget(stream, position, positions)
  }

  #forget(stream: Stream, position: string, positions: Set<string>): void {
    positions.delete(position)
    if (positions.size === 0) this.#waiting.delete(stream)
  }
}

function tooMany(): ParticleError {
  return new ParticleError(
    'TOO_MANY_REQUESTS',
    `A stream waits for at most ${MAX_POSITIONS} positions, and the streams of an address for ` +
      `${MAX_POSITIONS_PER_ADDRESS}: await some of them first`,
  )
}
