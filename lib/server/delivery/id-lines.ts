import { formatPosition } from '../../protocol/position.ts'
import type { PositionSeal } from '../tokens/position-seal.ts'

/**
 * Limits the cached id lines per point. With more view sets, few have a second connection that uses the
 * cache.
 */
const MAX_LINES = 1_000

/**
 * Caches the `id:` lines of points. A line precedes its event, and all connections with the same views share
 * its bytes.
 */
export class IdLines {
  readonly #seal: Pick<PositionSeal, 'seal'>
  #point = ''
  readonly #lines = new Map<string, Buffer>()

  constructor(seal: Pick<PositionSeal, 'seal'>) {
    this.#seal = seal
  }

  /** Drops the lines, so that later lines differ even without changes. */
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
