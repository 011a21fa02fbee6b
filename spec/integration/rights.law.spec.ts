import { expect } from 'chai'
import fc from 'fast-check'
import { related } from '../../lib/index.ts'
import type { Document } from '../../lib/model/document.ts'
import { Server } from '../../lib/server/index.ts'
import { yieldToEventLoop } from '../../lib/server/support/scheduling.ts'
import { History } from '../chaos/history.ts'
import { HeldSource } from '../support/held-source.ts'
import { LocalClient, until } from '../support/local.ts'

const USERS = ['ann', 'ben']
const TEAMS = ['red', 'blue', 'green']
const COLLECTIONS = ['links', 'tasks', 'people']
const user = fc.constantFrom(...USERS)
const team = fc.constantFrom(...TEAMS)
const id = fc.nat(4)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ write: id, team }) },
  { weight: 1, arbitrary: fc.record({ remove: id }) },
  { weight: 5, arbitrary: fc.record({ toggle: user, team }) },
  { weight: 2, arbitrary: fc.record({ both: user, write: id, team }) },
  { weight: 1, arbitrary: fc.record({ clear: fc.constant(true) }) },
  { weight: 4, arbitrary: fc.record({ turns: fc.nat(6) }) },
  { weight: 3, arbitrary: fc.record({ hold: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ lose: fc.constant(true) }) },
  { weight: 3, arbitrary: fc.record({ reads: fc.constantFrom(...COLLECTIONS), held: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ come: user }) },
  { weight: 2, arbitrary: fc.record({ refresh: user }) },
  { weight: 1, arbitrary: fc.record({ touch: user }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** A client that notes each row which it is shown. */
class Witness extends LocalClient {
  user = ''
  history = new History()
  readonly faults: string[] = []

  static async of(server: Server, user: string, history: History): Promise<Witness> {
    const witness = new Witness()
    Object.assign(witness, { user, history })
    witness.end = await server.register({ user }, (name, data, id) => witness.take(name, data, id))
    return witness
  }

  end: () => void = () => {}

  override take(name: string, data: unknown, id?: string): void {
    super.take(name, data, id)
    const { root, data: rows, oplist } = data as { root: string; data: Document[]; oplist: { id: unknown }[] }
    if (name === 'payload') for (const row of rows) this.#see(root, row)
    if (name !== 'delta') return
    const changed = new Set(oplist.map((operation) => operation.id))
    for (const row of this.model[root] ?? []) if (changed.has(row._id)) this.#see(root, row)
  }

  #see(root: string, row: Document): void {
    const { user } = this
    const sighting = { user, root, id: Number(row._id), group: String(row.team), stamp: Number(row.stamp) }
    const fault = this.history.judge(sighting)
    if (fault !== undefined) this.faults.push(fault)
  }
}

/** A source, its users' rights, and their clients. */
class World {
  readonly source = new HeldSource()
  readonly history = new History()
  readonly witnesses: Witness[] = []
  readonly #errors: Error[] = []
  readonly server: Server

  constructor() {
    const team = related('@user').through(this.links, 'user', 'team')
    const shown = {
      manifest: { team: true, stamp: true } as const,
      collection: this.tasks,
      criteria: { team },
    }
    this.server = new Server({
      identityLookup: (given: unknown) => given,
      dependsOn: [{ collection: this.source.store.collection('people'), criteria: { _id: '@user' } }],
      dataSources: { tasks: shown, latest: { ...shown, sort: { stamp: -1 }, limit: 2 } },
      onError: (error) => this.#errors.push(error),
    })
  }

  get links() {
    return this.source.store.collection('links')
  }

  get tasks() {
    return this.source.store.collection('tasks')
  }

  async come(user: string): Promise<void> {
    this.witnesses.push(await Witness.of(this.server, user, this.history))
  }

  async take(step: Step): Promise<void> {
    if ('both' in step)
      await Promise.all(
        this.source.store.transact(() => [
          this.#toggle(step.both, step.team),
          this.#write(step.write, step.team),
        ]),
      )
    else if ('write' in step) await this.#write(step.write, step.team)
    else if ('remove' in step) {
      this.history.remove('task', step.remove, this.history.next())
      await this.tasks.deleteOne({ _id: step.remove })
    } else if ('toggle' in step) await this.#toggle(step.toggle, step.team)
    else if ('clear' in step) {
      const stamp = this.history.next()
      for (const user of USERS) for (const team of TEAMS) this.history.withdraw(user, team, stamp)
      await this.links.drop()
    } else if ('turns' in step) for (let turns = step.turns; turns >= 0; turns--) await yieldToEventLoop()
    else if ('hold' in step) {
      if (step.hold) this.source.hold()
      else this.source.report()
    } else if ('lose' in step) await this.source.lose()
    else if ('reads' in step) {
      if (step.held) this.source.holdReads(step.reads)
      else this.source.letThrough(step.reads)
    } else if ('refresh' in step) void this.server.refresh({ user: step.refresh })
    else if ('touch' in step) {
      const people = this.source.store.collection('people')
      await people.updateOne({ _id: step.touch }, { $inc: { touched: 1 } }, { upsert: true })
    } else {
      // A client that waits for held reads comes later.
      void this.come(step.come)
    }
  }

  /** Ends all that is held, and waits until all clients show what they may see. */
  async settle(): Promise<void> {
    for (const collection of COLLECTIONS) this.source.letThrough(collection)
    this.source.report()
    await until(() => this.witnesses.every(({ ready }) => ready), 'all are ready')
    const rows = (await this.tasks.find({}).toArray()) as Document[]
    for (const { user, model } of this.witnesses) {
      const mine = rows
        .filter((row) => this.history.has(user, String(row.team)))
        .sort((one, other) => Number(other.stamp) - Number(one.stamp))
      const expected = { tasks: stampsOf(mine).sort(), latest: stampsOf(mine.slice(0, 2)) }
      const shown = () => ({ tasks: stampsOf(model.tasks).sort(), latest: stampsOf(model.latest) })
      await until(() => JSON.stringify(shown()) === JSON.stringify(expected), `${user} is right`).catch(
        () => {},
      )
      expect(shown(), user).to.deep.equal(expected)
    }
    expect(this.#errors).to.deep.equal([])
  }

  async close(): Promise<void> {
    for (const { end } of this.witnesses) end()
    await this.server.disconnect()
  }

  async #write(_id: number, team: string): Promise<void> {
    const stamp = this.history.next()
    this.history.write('task', _id, team, stamp)
    await this.tasks.replaceOne({ _id }, { _id, team, stamp }, { upsert: true })
  }

  async #toggle(user: string, team: string): Promise<void> {
    const stamp = this.history.next()
    const _id = `${user} ${team}`
    if (this.history.has(user, team)) {
      this.history.withdraw(user, team, stamp)
      await this.links.deleteOne({ _id })
    } else {
      this.history.grant(user, team, stamp)
      await this.links.insertOne({ _id, user, team })
    }
  }
}

function stampsOf(rows: readonly Document[] = []): number[] {
  return rows.map(({ stamp }) => Number(stamp))
}

describe('Rights by relations, however a source reports and loses its changes', () => {
  it('show no row that was not there at a moment of the right to it, and in the end all that are', async function () {
    this.timeout(600_000)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const world = new World()
        try {
          for (const user of USERS) await world.take({ toggle: user, team: 'red' })
          for (const [id, team] of TEAMS.entries()) await world.take({ write: id, team })
          for (const user of USERS) await world.come(user)
          for (const each of steps) await world.take(each)
          await world.settle()
          for (const { faults } of world.witnesses) expect(faults).to.deep.equal([])
        } finally {
          await world.close()
        }
      }),
      { numRuns: Number(process.env.LAW_RUNS ?? 200) },
    )
  })
})
