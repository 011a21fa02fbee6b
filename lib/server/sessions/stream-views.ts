import { counted } from '../../model/count.ts'
import type { Json } from '../../model/document.ts'
import type { WatchEntry } from '../../protocol/watched-root.ts'
import type { Losses } from '../auth/losses.ts'
import { togetherOf } from '../delivery/moments.ts'
import type { RelatedValues } from '../registry/relation-steps.ts'
import type { Views } from '../registry/views.ts'
import { fingerprintsOf, rightsOf } from '../view/fingerprint.ts'
import type { View } from '../view/view.ts'
import type { Stream } from './stream.ts'
import { entryOf, forbidden, type Refusal, refusalEvent, rootOf, type Watches } from './watches.ts'

/** The answer of the application about the roots that a stream watches. */
export interface Checked {
  /** The roots that were asked for. */
  readonly asked: ReadonlySet<string>
  readonly refused: readonly Refusal[]
}

/** Shows the views of an identity on its stream: those of all clients, and those that the client watches. */
export class StreamViews {
  readonly #views: Views
  readonly #watches: Watches
  readonly #isOpen: (stream: Stream) => boolean
  readonly #losses: Losses

  constructor(views: Views, watches: Watches, isOpen: (stream: Stream) => boolean, losses: Losses) {
    this.#views = views
    this.#watches = watches
    this.#isOpen = isOpen
    this.#losses = losses
  }

  /**
   * Shows the views of an identity on a stream, and ends the watched roots that the identity may not see.
   *
   * @returns the fingerprints of the views that do not depend on what the client watches
   */
  show(stream: Stream, identity: Json, related: RelatedValues | undefined): Record<string, string> {
    const before = new Map(stream.connection.views.map((view) => [view.root, view]))
    const fingerprints = this.#showViews(stream, identity, related)
    const isOther = (view: View) => (before.get(view.root) ?? view) !== view
    const changed = stream.connection.views.filter(isOther).map(({ root }) => root)
    this.#lost(
      stream,
      changed.filter((root) => stream.watched.has(root)),
    )
    return fingerprints
  }

  #showViews(stream: Stream, identity: Json, related: RelatedValues | undefined): Record<string, string> {
    const { connection, roots, watched, origin } = stream
    const all = this.#views.of(identity, related, origin?.address, roots)
    const shown = [...all]
    const refused: Refusal[] = []
    for (const each of [...watched.values()]) {
      try {
        const view = this.#views.watched(each, identity, related, origin?.address)
        if (view) shown.push(view)
        else refused.push(forbidden(each.root))
      } catch (error) {
        refused.push(this.#watches.failure(each.root, error))
      }
    }
    this.#drop(
      stream,
      refused.map(({ root }) => root),
    )
    const before = new Set(connection.views)
    const hasChanged = shown.length !== before.size || shown.some((view) => !before.has(view))
    if (stream.begun && hasChanged && (watched.size > 0 || shown.length !== before.size)) {
      const sources = Object.fromEntries(shown.map((view) => [view.root, view.filter.manifest]))
      const watch = [...stream.watched.values()].map(entryOf)
      const together = togetherOf(shown)
      connection.send({
        event: 'watching',
        data: { watch, sources, ...(together.length > 0 && { together }) },
      })
    }
    connection.change(shown, rightsOf(fingerprintsOf(shown)))
    this.refuse(stream, refused)
    return fingerprintsOf(all)
  }

  /**
   * Changes the roots that a client watches. Roots that are already watched get their new limit.
   *
   * @returns the refused roots, which the stream reports too
   */
  watch(stream: Stream, add: readonly WatchEntry[], remove: readonly string[]): Promise<Refusal[]> {
    const work = (stream.watchWork ?? Promise.resolve()).then(() => this.#watch(stream, add, remove))
    stream.watchWork = work.catch(() => {})
    return work
  }

  async #watch(stream: Stream, add: readonly WatchEntry[], remove: readonly string[]): Promise<Refusal[]> {
    if (this.#drop(stream, remove)) this.#show(stream)
    const { known, excess } = this.#split(stream, add)
    for (;;) {
      const { admission } = stream
      const checked = await this.#watches.check(known, admission?.identity ?? {})
      if (!this.#isOpen(stream)) return checked.refused
      // Asks again after a change of the rights meanwhile.
      if (stream.admission !== admission) continue
      const refused = [...checked.refused, ...excess]
      const added = checked.watched.map((each) => [each.root, each] as const)
      // Ends a root that was watched, when a longer window of it is refused: the right has ended.
      const ended = checked.refused.filter(({ code }) => code === 'FORBIDDEN').map(({ root }) => root)
      const isEnded = this.#drop(stream, ended)
      if (added.length > 0) stream.watched = new Map([...stream.watched, ...added])
      if (isEnded || added.length > 0) this.#show(stream)
      this.refuse(stream, refused)
      return refused
    }
  }

  /** Asks the application whether an identity may continue to watch a stream's roots. */
  async check(stream: Stream, identity: Json): Promise<Checked | undefined> {
    if (stream.watched.size === 0) return undefined
    const asked = [...stream.watched.values()]
    const refused = await this.#watches.refusalsOf(asked, identity)
    return { asked: new Set(asked.map(({ root }) => root)), refused }
  }

  /** Applies the application's answers, before the views of the identity are shown. */
  apply(stream: Stream, checked: Checked | undefined): void {
    const refused = checked?.refused ?? []
    this.#drop(
      stream,
      refused.map(({ root }) => root),
    )
    this.refuse(stream, refused)
    // Asks for the roots that were added under the earlier identity meanwhile.
    const unknown = [...stream.watched.values()].filter(
      ({ root, source }) => source.watch?.allow && !checked?.asked.has(root),
    )
    this.#drop(
      stream,
      unknown.map(({ root }) => root),
    )
    if (unknown.length > 0) void this.watch(stream, unknown.map(entryOf), [])
  }

  /** Asks the application again about a stream without a token, whose identity stays `{}`. */
  async renew(stream: Stream): Promise<void> {
    const checked = await this.check(stream, {})
    if (!this.#isOpen(stream)) return
    this.apply(stream, checked)
    this.show(stream, {}, stream.related)
  }

  /** Reports refused roots to the client, once the stream has begun. */
  refuse(stream: Stream, refused: readonly Refusal[]): void {
    if (!stream.begun) {
      stream.refused = [...(stream.refused ?? []), ...refused]
      return
    }
    for (const each of refused) stream.connection.send(refusalEvent(each))
    const forbidden = refused.filter(({ code }) => code === 'FORBIDDEN')
    this.#lost(
      stream,
      forbidden.map(({ root }) => root),
    )
  }

  /** Returns the fingerprints of watched views, by root. */
  async fingerprintsOf(stream: Stream, entries: readonly WatchEntry[]): Promise<Record<string, string>> {
    const identity = stream.admission?.identity ?? {}
    // A client can't have held more. Criteria and schemas of the application are run for each entry.
    const held = entries.slice(0, this.#watches.limit)
    const keys = await this.#watches.keysOf(held, identity, stream.related)
    return fingerprintsOf(keys)
  }

  /** Drops watched roots. Returns whether the stream had any of them. */
  #drop(stream: Stream, roots: readonly string[]): boolean {
    const watched = new Map(stream.watched)
    const dropped = roots.filter((root) => watched.delete(root))
    if (dropped.length > 0) stream.watched = watched
    return dropped.length > 0
  }

  #show(stream: Stream): void {
    this.#showViews(stream, stream.admission?.identity ?? {}, stream.related)
  }

  #lost({ admission }: Stream, roots: readonly string[]): void {
    if (admission && roots.length > 0) void this.#losses.note(admission.session, roots)
  }

  /** Refuses the entries over the limit, before the application is asked about any of them. */
  #split({ watched }: Stream, add: readonly WatchEntry[]): { known: WatchEntry[]; excess: Refusal[] } {
    const { limit } = this.#watches
    const message = `A client watches at most ${counted(limit, 'root')}`
    const known: WatchEntry[] = []
    const excess: Refusal[] = []
    let rest = limit - watched.size
    for (const entry of add) {
      const root = rootOf(entry)
      if (watched.has(root) || rest-- > 0) known.push(entry)
      else excess.push({ root, code: 'LIMIT_EXCEEDED', message })
    }
    return { known, excess }
  }
}
