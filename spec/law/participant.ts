import type { Model } from '../../lib/model/document.ts'
import type { Line } from './line.ts'
import { NetworkError, type Node, type Watching } from './node.ts'
import { type People, Standing } from './people.ts'
import type { Roots } from './roots.ts'
import { Witness } from './witness.ts'

/** What a participant needs of its world. */
export interface Surroundings {
  readonly nodes: readonly Node[]
  readonly people: People
  readonly roots: Roots
  /** Resolves a turn later. */
  turn(): Promise<void>
  /** Counts something that happened. */
  count(what: string): void
  /** A request failed, as it may where the network or the node is to blame. */
  failed(error: unknown): void
  /** Something is wrong, in a sentence. */
  fault(sentence: string): void
}

/** How a client that knows only its last id presents itself anew. */
export interface Presenting {
  /** It sends its last id under the new token. */
  keep: boolean
  /** It names its old token. */
  previous: boolean
}

/** How a line breaks: whether the client and the node notice, and after how many events more. */
export interface Break {
  heard: boolean
  noticed: boolean
  events: number
}

const NOTHING: Watching = { watch: [], held: [] }

/** A client of either kind, and the line it has to a node. */
export abstract class Participant {
  readonly name: string
  readonly witness: Witness
  user: string
  /** Which node the balancer leads it to. */
  at: number
  /** What the node that it is connected to takes it for. */
  standing: Standing | undefined
  /** The next stream that it asks for can't be opened. */
  unlucky = false
  protected readonly world: Surroundings
  line: Line | undefined
  /** Under way to a node: a handshake, or a stream that is being opened. */
  protected asking = false
  /** The node's process that gave the position which the client holds. */
  #source: unknown
  #presented = false
  #server: unknown
  /** Lines that broke, which their nodes have not noticed. */
  readonly #ghosts: Line[] = []

  constructor(world: Surroundings, name: string, user: string, at: number) {
    this.world = world
    this.witness = new Witness(world.roots)
    this.name = name
    this.user = user
    this.at = at
  }

  /** Comes back, to a node. */
  abstract back(at: number): void
  /** Comes back as another user. */
  abstract identify(user: string, at: number, how: Presenting): void
  /** Goes for good. */
  abstract leave(): void
  abstract get model(): Model
  /** The model is complete, it says. */
  protected abstract get complete(): boolean
  /** It won't come back by itself. */
  abstract get over(): boolean
  /** Whether it shows all roots of one adapter as of one moment by now. */
  protected get together(): boolean {
    return false
  }
  /** The client is told, now, that its line is lost. */
  protected abstract lost(): void

  /** The roots that it has to show beside those of all clients, as their tracks are named; those of them that it has asked for must be here. */
  get watched(): { here: readonly string[]; wanted: readonly string[] } {
    return { here: [], wanted: [] }
  }

  /** Watches a kind in a window of its own, or no longer. */
  watch(_kind: string, _limit: number | undefined): void {}

  get up(): boolean {
    return this.line?.live === true
  }

  get away(): boolean {
    return !this.up && !this.asking && !this.over
  }

  get ready(): boolean {
    return this.up && this.complete
  }

  get busy(): boolean {
    return this.asking || this.line?.busy === true
  }

  /** The line breaks, after so many of the events that were on their way; each end may notice now, or only {@link Participant.notice} later. */
  drop({ heard, noticed, events }: Break): void {
    const { line } = this
    line?.gasp(events)
    if (!line?.live) return
    line.cut(heard)
    if (noticed) setImmediate(() => line.gone())
    else this.#ghosts.push(line)
  }

  /** Both ends get to know what happened to their lines. */
  notice(): void {
    for (const ghost of this.#ghosts.splice(0)) ghost.gone()
    const { line } = this
    if (!line || line.live) return
    line.gone()
    this.line = undefined
    this.lost()
  }

  pause(): void {
    this.line?.pause()
  }

  sip(bytes: number): void {
    this.line?.sip(bytes)
  }

  resume(): void {
    this.line?.resume()
  }

  get node(): Node {
    const { nodes } = this.world
    return nodes[this.at % nodes.length] as Node
  }

  protected sever(): void {
    this.drop({ heard: false, noticed: true, events: 0 })
    this.notice()
  }

  /** Asks the node for a stream over the line. Rejects when it can't be had. */
  protected async connect(token: string, position: string, line: Line, watching = NOTHING): Promise<void> {
    this.line = line
    this.standing = undefined
    this.asking = true
    this.#presented = position !== ''
    try {
      await this.world.turn()
      const unlucky = this.unlucky
      this.unlucky = false
      if (unlucky) throw new NetworkError()
      this.#server = this.node.server
      const identity = await this.node.attach(token, position, line, watching)
      this.standing = new Standing(this.world.people, identity)
    } catch (error) {
      line.cut(false)
      this.world.failed(error)
      throw error
    } finally {
      this.asking = false
    }
  }

  /** An event came over the wire. */
  protected heard(name: string, data: string, id: string | undefined): void {
    const { world, standing } = this
    if (!standing) {
      world.fault(`${this.name} heard ${name} over no stream`)
      return
    }
    this.witness.heard(name, data, id, standing)
    if (name === 'manifest' && this.#presented) {
      const { resumed, reason } = JSON.parse(data)
      const where = this.#source === this.#server ? 'here' : 'elsewhere'
      world.count(resumed ? `resumed ${where}` : `not resumed ${where}: ${reason}`)
    } else if (name === 'reset') {
      const { reason } = JSON.parse(data)
      world.count(`reset: ${reason}`)
      if (reason === 'slow-client') standing.slow = true
    } else if (name === 'session') standing.renewed(JSON.parse(data).token)
    if (name !== 'manifest' && name !== 'reset') world.count(name)
    if (id) this.#source = this.#server
  }

  protected shows(cause: string, root: string | undefined): void {
    this.world.count('states shown')
    if (this.standing) this.witness.saw(this.model, cause, root, this.standing, this.together)
  }
}
