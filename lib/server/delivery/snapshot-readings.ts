import type { View } from '../view/view.ts'
import type { CurrentSnapshots } from './present.ts'

/** One connection's way through a snapshot. */
class Reading {
  /** The client holds the view up to this sequence once it has all parts. */
  readonly sequence: number
  readonly isCurrent: () => boolean
  /** Left when the reading lets go of the snapshot. */
  #version: Version | undefined
  #next = 0

  constructor(version: Version, sequence: number, isCurrent: () => boolean) {
    this.#version = version
    this.sequence = sequence
    this.isCurrent = isCurrent
    version.readings.add(this)
  }

  /** The number of the part that is sent next. */
  get next(): number {
    return this.#next
  }

  /** Whether the parts that were not sent yet were taken away. */
  get displaced(): boolean {
    return this.#version === undefined
  }

  /** Takes the next part; undefined after the last, and where the reading was displaced. */
  take(): Buffer | undefined {
    return this.#version?.parts[this.#next++]
  }

  /** Lets go of the snapshot. */
  release(): void {
    this.#version?.readings.delete(this)
    this.#version = undefined
  }
}

/** The parts of one snapshot, and who reads them. */
interface Version {
  readonly parts: readonly Buffer[]
  readonly readings: Set<Reading>
}

/** The snapshots of one view that are being read. */
interface Versions {
  /** The snapshot that was handed out last. */
  present: Version
  /** The one earlier snapshot that its readers may keep as a whole, however slow they are. */
  kept: Version | undefined
  /** Other earlier snapshots, of which each reader keeps no more than its bound. */
  readonly earlier: Set<Version>
  /** Wakes readers that were displaced. They wait until the place of the kept snapshot is free. */
  readonly waiting: Set<() => void>
}

/**
 * Sends snapshots to connections, and bounds what slow readers keep alive. A snapshot that is replaced by a
 * newer one stays in memory for those who still read it. Of each view, the present snapshot and one earlier
 * one stay as a whole; of any other, a reader keeps no more than its buffer's bound. A reader beyond that
 * lets go, and begins anew when the earlier one has been read: its new snapshot is then the one that stays.
 */
export class SnapshotReadings {
  readonly #presents: CurrentSnapshots
  readonly #maxBytes: number
  readonly #views = new Map<View, Versions>()

  /** @param maxBytes the bytes that a reader may keep of an earlier snapshot */
  constructor(presents: CurrentSnapshots, maxBytes: number) {
    this.#presents = presents
    this.#maxBytes = maxBytes
  }

  /**
   * Sends the present snapshot of a view. Returns the sequence up to which the client then holds the view;
   * undefined where `isCurrent` has become false. Rejects when the source can't be read.
   */
  async send(
    view: View,
    isCurrent: () => boolean,
    push: (part: Buffer) => Promise<void>,
  ): Promise<number | undefined> {
    let reading = await this.#begin(view, isCurrent)
    for (;;) {
      try {
        for (let part = reading.take(); part && isCurrent(); part = reading.take()) await push(part)
        if (!isCurrent()) return undefined
        if (!reading.displaced) return reading.sequence
      } finally {
        reading.release()
        this.#settle(view)
      }
      const next = await this.#beginAnew(view, isCurrent)
      if (!next) return undefined
      reading = next
    }
  }

  /** Lets go of what nobody reads any more, and of what can't bring its readers to the present any more. */
  sweep(): void {
    for (const view of this.#views.keys()) this.#settle(view)
  }

  /** Begins to read the present snapshot. */
  async #begin(view: View, isCurrent: () => boolean): Promise<Reading> {
    const { parts, sequence } = await this.#presents.of(view)
    const versions = this.#versionsOf(view, parts)
    const moved = versions.present.parts !== parts
    if (moved) {
      if (versions.present !== versions.kept) versions.earlier.add(versions.present)
      versions.present = { parts, readings: new Set() }
    }
    const reading = new Reading(versions.present, sequence, isCurrent)
    this.#settle(view, moved)
    return reading
  }

  /** Waits for the place of the kept snapshot, and gives it to the present one. */
  async #beginAnew(view: View, isCurrent: () => boolean): Promise<Reading | undefined> {
    const versions = this.#views.get(view)
    if (!versions?.kept) return this.#begin(view, isCurrent)
    let wake = () => {}
    try {
      await new Promise<void>((resolve) => {
        wake = resolve
        versions.waiting.add(resolve)
      })
      if (!isCurrent()) return undefined
      const reading = await this.#begin(view, isCurrent)
      versions.kept ??= versions.present
      return reading
    } finally {
      versions.waiting.delete(wake)
    }
  }

  #versionsOf(view: View, parts: readonly Buffer[]): Versions {
    let versions = this.#views.get(view)
    if (!versions) {
      const present = { parts, readings: new Set<Reading>() }
      versions = { present, kept: undefined, earlier: new Set(), waiting: new Set() }
      this.#views.set(view, versions)
    }
    return versions
  }

  #settle(view: View, moved = false): void {
    const versions = this.#views.get(view)
    if (!versions) return
    const { present, earlier, waiting, kept } = versions
    for (const { readings } of [present, ...earlier, ...(kept ? [kept] : [])])
      for (const reading of readings) if (!reading.isCurrent()) reading.release()
    const freed = kept !== undefined && !mayStay(kept, view)
    if (freed) {
      versions.kept = undefined
      if (kept !== present) earlier.add(kept)
    }
    if (freed || moved) this.#displace(versions, view)
    for (const version of earlier) if (version.readings.size === 0) earlier.delete(version)
    if (!versions.kept) for (const wake of waiting) wake()
    const isRead = versions.kept || present.readings.size + earlier.size + waiting.size > 0
    if (!isRead) this.#views.delete(view)
  }

  /**
   * Takes away what readers would keep beyond their bound, save for one snapshot where that place is free.
   */
  #displace(versions: Versions, view: View): void {
    const shared = new Set([...versions.present.parts, ...(versions.kept?.parts ?? [])])
    for (const version of versions.earlier) {
      const bytes = bytesFrom(version.parts, shared)
      const beyond = [...version.readings].filter(({ next }) => (bytes[next] ?? 0) > this.#maxBytes)
      if (beyond.length === 0) continue
      // Who has waited comes first.
      if (!versions.kept && versions.waiting.size === 0 && mayStay(version, view)) {
        versions.kept = version
        versions.earlier.delete(version)
        for (const part of version.parts) shared.add(part)
      } else for (const reading of beyond) reading.release()
    }
  }
}

/** Whether a snapshot is still read, and the log tells its readers what came after it. */
function mayStay({ readings }: Version, view: View): boolean {
  return [...readings].some(({ sequence }) => view.resumes(sequence))
}

/** The bytes from each part on, by the part's number; those of shared parts don't count. */
function bytesFrom(parts: readonly Buffer[], shared: ReadonlySet<Buffer>): number[] {
  const sums: number[] = []
  let sum = 0
  for (const [number, part] of [...parts.entries()].reverse()) {
    if (!shared.has(part)) sum += part.length
    sums[number] = sum
  }
  return sums
}
