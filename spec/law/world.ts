import { ParticleError } from '../../lib/errors.ts'
import type { Json } from '../../lib/model/document.ts'
import { canonical, toJson } from '../../lib/model/json.ts'
import { BareClient } from './bare.ts'
import { NetworkError, Node } from './node.ts'
import type { Participant, Surroundings } from './participant.ts'
import { RealClient } from './real.ts'
import { type Change, Reality, textOf } from './reality.ts'
import { type Identity, ROOTS, STORES, type StoreName } from './roots.ts'
import type { Setting, Stores } from './setting.ts'
import type { Time } from './time.ts'
import { brief } from './witness.ts'
import type { Write } from './writes.ts'

/** What differs from run to run, besides the steps. */
export interface Config {
  /** How many changes the stores keep. */
  history: number
  replayBytes: number
  maxBufferedBytes: number
  sessionTtl: number
}

const HEARTBEAT = 15_000
/** More clients at once tell nothing more, and cost time. */
const MOST_CLIENTS = 4

export const RIGHTS: Readonly<Record<string, Identity>> = {
  ann: { user: 'ann', team: 'red', kinds: ['x', 'y'] },
  ben: { user: 'ben', team: 'blue', kinds: ['y'] },
  cat: { user: 'cat', team: 'red', kinds: [] },
}

/** Two nodes over the same stores, the clients that come and go, and everything that is known of what they should see. */
export class World implements Surroundings {
  readonly nodes: readonly Node[]
  readonly participants: Participant[] = []
  readonly reality = new Reality()
  readonly rights: Record<string, Identity | null> = { ...RIGHTS }
  readonly counts: Map<string, number>
  readonly #setting: Setting
  readonly #stores: Stores
  readonly #time: Time
  readonly #listeners = new Set<{ identity: Identity; listener: (delta: never) => void }>()
  readonly #faults: string[] = []
  #serial = 0
  #came = 0

  constructor(setting: Setting, stores: Stores, time: Time, config: Config, counts: Map<string, number>) {
    this.#setting = setting
    this.#stores = stores
    this.#time = time
    this.counts = counts
    const callbacks = {
      payload: (identity: Identity) => this.#payload(identity),
      delta: (identity: Identity, listener: (delta: never) => void) => {
        const entry = { identity, listener }
        this.#listeners.add(entry)
        return () => void this.#listeners.delete(entry)
      },
    }
    const options = {
      identityLookup: ({ user }: { user: string }) => structuredClone(this.rights[user] ?? null),
      maxBufferedBytes: config.maxBufferedBytes,
      replay: { bytes: config.replayBytes },
      sessionTtl: config.sessionTtl,
      heartbeat: HEARTBEAT,
      onError: (error: Error) => this.fault(`a server met an error: ${error.stack} ${error.cause ?? ''}`),
    }
    this.nodes = ['north', 'south'].map((name) => new Node(name, stores, callbacks, options))
  }

  turn(): Promise<void> {
    return this.#time.turn()
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  failed(error: unknown): void {
    const expected =
      error instanceof NetworkError ||
      (error instanceof ParticleError && ['UNAUTHORIZED', 'UNAVAILABLE'].includes(error.code))
    if (!expected) this.fault(`a request failed: ${error instanceof Error ? error.stack : error}`)
  }

  fault(sentence: string): void {
    this.#faults.push(sentence)
  }

  /** So many turns go by, with a little time in each. */
  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      this.#time.pass(5)
      await this.turn()
    }
  }

  /** Time goes by until the next heartbeat; long enough for everything that was begun to have ended. */
  async beat(): Promise<void> {
    await this.turns(4)
    this.#time.pass(HEARTBEAT)
  }

  /** A client comes, if there is room. */
  come(real: boolean, user: string, at: number): void {
    if (this.participants.filter((participant) => !participant.over).length >= MOST_CLIENTS) return
    const name = `client ${this.#came++} (${real ? 'real' : 'bare'})`
    const participant = new (real ? RealClient : BareClient)(this, name, user, at)
    this.participants.push(participant)
    if (!real) participant.back(at)
  }

  /** One of those who are here. */
  one(index: number): Participant | undefined {
    const here = this.participants.filter((participant) => !participant.over)
    return here[index % Math.max(here.length, 1)]
  }

  async write(store: StoreName, write: Write): Promise<void> {
    const collection = this.#stores.collection(store)
    try {
      await write.run(collection, ++this.#serial)
    } catch {
      // A write that doesn't fit the document, or an _id that is taken. What it did all the same is seen below.
    }
    const documents = (await collection.find().toArray()).map((document) => toJson(document) as never)
    const changes = this.reality.record(store, documents, write.whole === true)
    if (store !== 'first') return
    for (const change of changes) this.#tell(change, write)
  }

  /** Throws when something has gone wrong so far. */
  judge(): void {
    for (const { name, witness, identity } of this.participants) {
      const fault = witness.judge(this.reality)
      if (fault)
        throw new Error(
          `${name}, as ${JSON.stringify(identity)}, ${fault}\n  It heard:\n    ${witness.log.join('\n    ')}`,
        )
    }
    if (this.#faults.length > 0) throw new Error(this.#faults.join('\n'))
  }

  /** Waits until nothing moves any more, then holds every model against the source. With `all`, those who are away come back. */
  async quiet(all: boolean): Promise<void> {
    for (const node of this.nodes) {
      node.start()
      for (const store of STORES) node.held[store].release()
    }
    for (const participant of this.participants) {
      participant.resume()
      participant.notice()
    }
    let calm = 0
    for (let round = 1; calm < this.#setting.calm; round++) {
      if (round > this.#setting.patience) {
        const busy = this.#unsettled(all).map(
          ({ name, witness }) => `${name}, which heard\n    ${witness.log.join('\n    ')}`,
        )
        throw new Error(`It never gets quiet for ${busy.join('\n  ') || 'what is on its way'}`)
      }
      if (all && round % 5 === 0) this.#bringBack()
      await this.turns(1)
      if (round % 20 === 0) this.#time.pass(1000)
      this.judge()
      calm = this.#unsettled(all).length === 0 ? calm + 1 : 0
    }
    this.count('quiet points')
    for (const participant of this.participants) if (participant.up) this.#compare(participant)
  }

  /** Everybody goes; what is left then is a leak. */
  async end(): Promise<void> {
    for (const participant of this.participants) participant.leave()
    await this.turns(6)
    const left: string[] = []
    for (const node of this.nodes) left.push(...(await node.end()))
    if (this.#listeners.size > 0) left.push(`${this.#listeners.size} deltas were never stopped`)
    this.judge()
    if (left.length > 0) throw new Error(left.join('; '))
  }

  /** Lets go of everything, whatever has happened. */
  async abandon(): Promise<void> {
    for (const participant of this.participants) participant.leave()
    for (const node of this.nodes) node.stop(true)
    await this.turns(3)
    await this.#stores.close()
  }

  #unsettled(all: boolean): Participant[] {
    return this.participants.filter(
      (participant) =>
        participant.busy || (participant.up && !participant.ready) || (all && participant.away),
    )
  }

  #bringBack(): void {
    for (const participant of this.participants) if (participant.away) participant.back(participant.at)
  }

  #compare({ name, identity, model, witness }: Participant): void {
    if (!identity) return
    const roots = Object.keys(ROOTS)
    if (Object.keys(model).sort().join() !== [...roots].sort().join())
      throw new Error(`${name} has the roots ${Object.keys(model)}`)
    for (const root of roots) {
      const text = textOf((model[root] ?? []).map((document) => canonical(document as Json)))
      const expected = this.reality.track(root, identity).last
      if (text === expected) continue
      throw new Error(
        `${name}, as ${JSON.stringify(identity)}, is quiet with the wrong ${root}:\n    ${brief(text)}\n  instead of\n    ${brief(expected)}\n  It heard:\n    ${witness.log.join('\n    ')}`,
      )
    }
  }

  /** The application's payload: its data is as of some moment of the reading, it doesn't say of which. */
  async #payload(identity: Identity): Promise<object> {
    const { sees } = ROOTS.told as (typeof ROOTS)[string]
    const timestamp = new Date()
    const late = this.#serial % 2 === 0
    if (late) await this.turn()
    const data = this.reality.documents('first').filter((document) => sees(document, identity))
    if (!late) await this.turn()
    return { data, timestamp }
  }

  /** The application's deltas. */
  #tell({ id, before, after }: Change, write: Write): void {
    const { sees } = ROOTS.told as (typeof ROOTS)[string]
    const timestamp = new Date()
    for (const { identity, listener } of [...this.#listeners]) {
      if (id === undefined) {
        listener({ timestamp, oplist: [], reset: true } as never)
        continue
      }
      const saw = before !== undefined && sees(before, identity)
      const now = after !== undefined && sees(after, identity)
      if (!saw && !now) continue
      const whole = now ? { operation: 'set', path: '.', data: after } : { operation: 'unset', path: '.' }
      const operation = saw && now && write.operation ? write.operation : whole
      listener({ timestamp, oplist: [{ ...operation, id }] } as never)
    }
  }
}
