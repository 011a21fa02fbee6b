import { ParticleError } from '../../lib/errors.ts'
import { toJson } from '../../lib/model/json.ts'
import { BareClient } from './bare.ts'
import { OUT_OF_REACH } from './held.ts'
import type { Manner } from './manner.ts'
import { NetworkError, Node } from './node.ts'
import type { Participant, Surroundings } from './participant.ts'
import { People } from './people.ts'
import { RealClient } from './real.ts'
import { Reality } from './reality.ts'
import { type Identity, type Roots, STORES, type StoreName } from './roots.ts'
import type { Run, Setting, Stores } from './setting.ts'
import type { Time } from './time.ts'
import { type Recorded, Told } from './told.ts'
import type { Write } from './writes.ts'

/** What differs from run to run, besides the steps. */
export interface Config {
  manner: Manner
  /** How many changes the stores keep. */
  history: number
  replayBytes: number
  maxBufferedBytes: number
  sessionTtl: number
}

const HEARTBEAT = 15_000
/** How long a server waits at most before it tries a source again, in seconds. */
const LONGEST_WAIT = 31
/** More clients at once tell nothing more, and cost time. */
const MAX_CLIENTS = 4

/** Two nodes over the same stores, the clients that come and go, and everything that is known of what they should see. */
export class World implements Surroundings {
  readonly nodes: readonly Node[]
  readonly participants: Participant[] = []
  readonly reality: Reality
  readonly roots: Roots
  readonly people = new People()
  readonly counts: Map<string, number>
  readonly #setting: Setting
  readonly #stores: Stores
  readonly #time: Time
  /** The application's own sources, by root. */
  readonly #told = new Map<string, Told>()
  readonly #faults: string[] = []
  /** Users whose rights all nodes have looked up since they changed. */
  readonly #refreshed = new Set<string>()
  /** A store could not be read, and who tried waits before trying again. */
  #unreadable = false
  /** Lines that must have ended. */
  readonly #revoked = new Set<unknown>()
  #serial = 0
  #came = 0

  constructor(setting: Setting, stores: Stores, time: Time, config: Config, counts: Map<string, number>) {
    this.#setting = setting
    this.#stores = stores
    this.#time = time
    this.counts = counts
    this.roots = setting.roots
    this.reality = new Reality(this.roots)
    for (const [name, root] of Object.entries(this.roots)) {
      const documents = () => this.reality.documents(root.store)
      if (root.callbacks) this.#told.set(name, new Told(root, root.callbacks, documents, () => this.turn()))
    }
    const options = {
      identityLookup: ({ user }: { user: string }) => structuredClone(this.people.find(user)),
      maxBufferedBytes: config.maxBufferedBytes,
      replay: { bytes: config.replayBytes },
      sessionTtl: config.sessionTtl,
      heartbeat: HEARTBEAT,
      onError: (error: Error) => {
        if (!error.message.includes(OUT_OF_REACH) && !setting.expects?.(error))
          this.fault(`a server met an error: ${error.stack}`)
      },
    }
    this.nodes = ['north', 'south'].map(
      (name) => new Node(name, stores, config.manner, { roots: this.roots, callbacks: this.#told }, options),
    )
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
      this.judge()
    }
  }

  /** Time goes by until the next heartbeat; long enough for everything that was begun to have ended. */
  async beat(): Promise<void> {
    await this.turns(4)
    this.#time.pass(HEARTBEAT)
  }

  /** A client comes, if there is room. */
  come(real: boolean, user: string, at: number): void {
    if (this.participants.filter((participant) => !participant.over).length >= MAX_CLIENTS) return
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

  /** Another identity is found for a user from now on; null for none. */
  changeRights(user: string, identity: Identity | null): void {
    this.people.change(user, identity)
    this.#refreshed.delete(user)
  }

  /** The application has all nodes look a user's rights up again. */
  async refresh(user: string): Promise<void> {
    const all = this.nodes.filter(({ up }) => up)
    await Promise.all(all.map(({ server }) => server.refresh((identity: Identity) => identity.user === user)))
    // A node that is down now, or is another process later, knows nothing of it.
    if (all.length === this.nodes.length) this.#refreshed.add(user)
  }

  /** The application takes a user's rights away on all nodes. */
  revoke(user: string): void {
    for (const { up, server } of this.nodes)
      if (up) server.revoke((identity: Identity) => identity.user === user)
    for (const { standing, up, node, line } of this.participants)
      if (standing?.user === user && up && node.up) this.#revoked.add(line)
  }

  /** A node's process ends, and another one takes its place, or not yet. */
  process(at: number, how: { killed: boolean; again: boolean }): void {
    const node = this.nodes[at]
    node?.stop(how.killed)
    this.#refreshed.clear()
    if (how.again) node?.start()
  }

  /** A node can't read a store for now. */
  fail(at: number, store: StoreName): void {
    this.nodes[at]?.held[store].fail()
    this.#unreadable = true
  }

  /** What follows a store for a node breaks off, after so many events more. */
  interrupt(at: number, store: StoreName, lost: boolean, events: number): void {
    if (this.nodes[at]?.interrupt(store, lost, events))
      this.count(lost ? 'streams lost' : 'streams broken off')
  }

  async write(store: StoreName, write: Write): Promise<void> {
    const collection = this.#stores.collection(store)
    // A write may not fit the document, or an _id may be taken. What it did all the same is seen below.
    await Promise.allSettled([write.run(collection, ++this.#serial)])
    await this.#record(store, write)
  }

  /** Writes in one transaction, where the store has such. */
  async transact(store: StoreName, writes: readonly Write[]): Promise<void> {
    const { transact } = this.#stores
    if (!transact) for (const write of writes) await this.write(store, write)
    if (!transact) return
    const runs = writes.map((write): Run => {
      const serial = ++this.#serial
      return (collection) => write.run(collection, serial)
    })
    await transact(store, runs)
    this.count('transactions')
    await this.#record(store, { atOnce: true })
  }

  /** Takes in what a write did. */
  async #record(store: StoreName, write: Recorded): Promise<void> {
    const found = await this.#stores.collection(store).find().toArray()
    const documents = found.map((document) => toJson(document) as never)
    const told = [...this.#told].flatMap(([name, each]) => (this.roots[name]?.store === store ? [each] : []))
    for (const each of told) each.keep()
    const changes = this.reality.record(store, documents, write)
    for (const each of told) each.tell(changes, write)
  }

  /** Throws when something has gone wrong so far. */
  judge(): void {
    for (const { name, witness, standing } of this.participants) {
      const fault = witness.judge(this.reality)
      if (fault)
        throw new Error(
          `${name}, as ${JSON.stringify(standing?.identity)}, ${fault}\n  It heard:\n    ${witness.log.join('\n    ')}`,
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
    if (this.#unreadable) await this.#retry()
    for (const node of this.nodes) await node.mark()
    const { calm, patience, lags } = this.#setting
    let quiet = 0
    let wrong: string | undefined
    for (let round = 1; quiet < calm || wrong !== undefined; round++) {
      if (round > patience) throw new Error(wrong ?? this.#noise(all))
      if (all && round % 5 === 0) this.#bringBack()
      await this.turns(1)
      if (round % 20 === 0) this.#time.pass(1000)
      quiet = this.#isQuiet(all) ? quiet + 1 : 0
      if (quiet < calm) continue
      wrong = await this.#compareAll()
      if (wrong !== undefined && !lags) throw new Error(wrong)
    }
    this.count('quiet points')
  }

  /** Everybody goes; what is left then is a leak. */
  async end(): Promise<void> {
    for (const participant of this.participants) participant.leave()
    await this.turns(6)
    const left: string[] = []
    for (const node of this.nodes) left.push(...(await node.end()))
    for (const [name, { listeners }] of this.#told)
      if (listeners > 0) left.push(`${listeners} deltas of ${name} were never stopped`)
    this.judge()
    if (left.length > 0) throw new Error(left.join('; '))
  }

  /** Lets go of everything, whatever has happened. */
  async abandon(): Promise<void> {
    for (const participant of this.participants) participant.leave()
    for (const node of this.nodes) node.stop(true)
    for (let turn = 0; turn < this.#setting.patience && this.nodes.some(({ ending }) => ending); turn++) {
      this.#time.pass(1000)
      await this.turn()
    }
    await this.#stores.close()
  }

  /** Lets the longest time go by that a server waits before it tries again. */
  async #retry(): Promise<void> {
    this.#unreadable = false
    for (let second = 0; second < LONGEST_WAIT; second++) {
      this.#time.pass(1000)
      await this.turn()
    }
  }

  #unsettled(all: boolean): Participant[] {
    return this.participants.filter(
      (participant) =>
        participant.busy || (participant.up && !participant.ready) || (all && participant.away),
    )
  }

  #isQuiet(all: boolean): boolean {
    return this.#unsettled(all).length === 0 && !this.nodes.some(({ behind }) => behind)
  }

  /** What keeps it from being quiet. */
  #noise(all: boolean): string {
    const busy = this.#unsettled(all).map(
      ({ name, witness }) => `${name}, which heard\n    ${witness.log.join('\n    ')}`,
    )
    const behind = this.nodes.filter((node) => node.behind).map(({ name }) => `changes to ${name}`)
    return `It never gets quiet for ${[...busy, ...behind].join('\n  ') || 'what is on its way'}`
  }

  #bringBack(): void {
    for (const participant of this.participants) if (participant.away) participant.back(participant.at)
  }

  /** What is wrong with any of those who are here. */
  async #compareAll(): Promise<string | undefined> {
    for (const participant of this.participants) {
      const wrong = participant.up ? await this.#compare(participant) : undefined
      if (wrong !== undefined) return wrong
    }
    return undefined
  }

  async #compare({
    name,
    standing,
    model,
    witness,
    line,
    watched,
  }: Participant): Promise<string | undefined> {
    await standing?.settle()
    if (!standing) return `${name} is ready without a standing`
    if (this.#revoked.has(line)) return `${name} goes on though it was revoked`
    const { user, slow, identity, identities } = standing
    const found = this.people.find(user)
    const possible = this.#refreshed.has(user) ? [found ?? identity] : slow ? identities : [identity]
    const wrongs = possible.map((each) => this.reality.wrong(model, each, watched))
    if (wrongs.includes(undefined)) return undefined
    return `${name}, as ${JSON.stringify(possible)}, is quiet with the wrong ${wrongs[0]}\n  It heard:\n    ${witness.log.join('\n    ')}`
  }
}
