/** What a client showed of one row: the stamp names the write that the row is of. */
export interface Sighting {
  user: string
  root: string
  id: number
  /** The team of a task, or the level of news. */
  group: string
  stamp: number
  /** Says what no row may hold. */
  flaw?: string
}

/** A row as one write made it, from that write's stamp up to the stamp of the next one, without it. */
interface Version {
  id: number
  group: string
  from: number
  until: number
}

interface Span {
  from: number
  until: number
}

/**
 * Keeps when each version of a row was in the store, and when each user had the right to its group. A user may
 * have seen a version if there was a moment with both.
 */
export class History {
  #stamp = 0
  readonly #versions = new Map<string, Version>()
  readonly #present = new Map<string, Version>()
  readonly #rights = new Map<string, Span[]>()

  /** Returns the stamp of the next write. A write is done before the next one of its store gets a stamp. */
  next(): number {
    this.#stamp++
    return this.#stamp
  }

  get stamp(): number {
    return this.#stamp
  }

  write(kind: string, id: number, group: string, stamp: number): void {
    this.remove(kind, id, stamp)
    const version = { id, group, from: stamp, until: Number.POSITIVE_INFINITY }
    this.#versions.set(`${kind} ${stamp}`, version)
    this.#present.set(`${kind} ${id}`, version)
  }

  remove(kind: string, id: number, stamp: number): void {
    const version = this.#present.get(`${kind} ${id}`)
    if (version) version.until = stamp
    this.#present.delete(`${kind} ${id}`)
  }

  has(user: string, group: string): boolean {
    return this.#spans(user, group).at(-1)?.until === Number.POSITIVE_INFINITY
  }

  grant(user: string, group: string, stamp: number): void {
    if (!this.has(user, group))
      this.#spans(user, group).push({ from: stamp, until: Number.POSITIVE_INFINITY })
  }

  withdraw(user: string, group: string, stamp: number): void {
    const last = this.#spans(user, group).at(-1)
    if (last && last.until > stamp) last.until = stamp
  }

  /** Returns what is wrong with a sighting, or undefined. */
  judge({ user, root, id, group, stamp, flaw }: Sighting): string | undefined {
    const what = `${user} was shown ${root} ${id} of ${group} (write ${stamp})`
    if (flaw !== undefined) return `${what}: ${flaw}`
    const isTask = root !== 'news'
    const version = this.#versions.get(`${isTask ? 'task' : 'news'} ${stamp}`)
    if (version?.id !== id || version.group !== group) return `${what}, which never was in the store`
    const spans = this.#spans(user, group)
    // Rights to news lie in the other store, which has no order with the one of the news.
    const isSeen = isTask
      ? spans.some(({ from, until }) => Math.max(from, version.from) < Math.min(until, version.until))
      : spans.length > 0
    if (isSeen) return undefined
    const had = spans.map(({ from, until }) => `${from} to ${until}`).join(', ') || 'never'
    return `${what}, there from ${version.from} to ${version.until}; the right was there: ${had}`
  }

  #spans(user: string, group: string): Span[] {
    const key = `${user} ${group}`
    const spans = this.#rights.get(key) ?? []
    this.#rights.set(key, spans)
    return spans
  }
}
