import { expect } from 'chai'
import fc from 'fast-check'
import { related } from '../../lib/index.ts'
import type { Document } from '../../lib/model/document.ts'
import { yieldToEventLoop } from '../../lib/server/support/scheduling.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { History } from '../chaos/history.ts'
import { until } from '../support/local.ts'
import { ModelReader } from '../support/model-reader.ts'
import { Nodes } from '../support/nodes.ts'
import type { StreamReader } from '../support/stream.ts'

const TEAMS = ['red', 'blue']
/** Keeps the view of each set of teams alive on each node, so that positions can be replayed there. */
const KEEPERS = [['red'], ['blue'], ['red', 'blue']]
const team = fc.constantFrom(...TEAMS)
const write = fc.record({ write: fc.nat(2), team })
const step = fc.oneof(
  { weight: 6, arbitrary: write },
  { weight: 3, arbitrary: fc.record({ gap: team, writes: fc.array(write, { maxLength: 4 }) }) },
  { weight: 5, arbitrary: fc.record({ toggle: team }) },
  { weight: 2, arbitrary: fc.record({ away: fc.constant(true) }) },
  { weight: 4, arbitrary: fc.record({ node: fc.nat(1), waits: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ turns: fc.nat(4) }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

type Open = (node: number, token: string, position?: string) => Promise<StreamReader>

/** A page of Ann that loses its stream, and comes back with its last token and position. */
class Page {
  readonly reader = new ModelReader()
  readonly #open: Open
  readonly #see: (row: Document) => void
  #token: string
  #position: string | undefined
  #stream: StreamReader | undefined
  #taken = 0

  constructor(token: string, open: Open, see: (row: Document) => void) {
    this.#token = token
    this.#open = open
    this.#see = see
  }

  get isReady(): boolean {
    const names = this.#stream?.names() ?? []
    return names.lastIndexOf('ready') > Math.max(names.lastIndexOf('reset'), names.lastIndexOf('manifest'))
  }

  async come(node: number): Promise<void> {
    this.leave()
    this.#stream = await this.#open(node, this.#token, this.#position)
    expect(this.#stream.status).to.equal(200)
  }

  leave(): void {
    this.take()
    this.#stream?.close()
    this.#stream = undefined
    this.#taken = 0
  }

  /** Takes the events that have come, as a page does. */
  take(): void {
    const events = this.#stream?.events.slice(this.#taken) ?? []
    this.#taken += events.length
    for (const { name, data, id } of events) {
      if (id !== undefined) this.#position = id === 'none' ? undefined : id || undefined
      if (name === 'session') this.#token = data.token
      this.reader.take(name, data)
      if (name === 'payload') for (const row of data.data) this.#see(row)
      const changed = new Set((name === 'delta' ? data.oplist : []).map(({ id }: { id: unknown }) => id))
      for (const row of this.reader.model.tasks ?? []) if (changed.has(row._id)) this.#see(row)
    }
  }
}

describe('Rights by relations of a page that comes back', () => {
  const nodes = new Nodes()

  it('show no row that was not there at a moment of the right to it, and in the end all that are', async function () {
    this.timeout(600_000)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        const [store, history, faults] = [memory(), new History(), new Set<string>()]
        const links = store.collection('links')
        const tasks = store.collection('tasks')
        const criteria = { team: related('@user').through(links, 'user', 'team') }
        const toggle = async (team: string) => {
          const [stamp, _id] = [history.next(), `ann ${team}`]
          if (history.has('ann', team)) {
            history.withdraw('ann', team, stamp)
            await links.deleteOne({ _id })
          } else {
            history.grant('ann', team, stamp)
            await links.insertOne({ _id, user: 'ann', team })
          }
        }
        const write = async (_id: number, team: string) => {
          const stamp = history.next()
          history.write('task', _id, team, stamp)
          await tasks.replaceOne({ _id }, { _id, team, stamp }, { upsert: true })
        }
        for (const [index, teams] of KEEPERS.entries())
          for (const team of teams) await links.insertOne({ user: `keeper ${index}`, team })
        await toggle('red')
        for (const [_id, team] of TEAMS.entries()) await write(_id, team)

        const urls: string[] = []
        const handshake = async (url: string, user: string): Promise<string> => {
          const body = JSON.stringify({ identity: { user }, carrier: 'header' })
          const headers = { 'Content-Type': 'application/json' }
          const response = await fetch(`${url}/handshake`, { method: 'POST', headers, body })
          return ((await response.json()) as { token: string }).token
        }
        for (let node = 0; node < 2; node++) {
          const { url } = await nodes.start({
            secret: 'a secret of at least thirty-two characters',
            identityLookup: (given: unknown) => given,
            dataSources: { tasks: { manifest: { team: true, stamp: true }, collection: tasks, criteria } },
          })
          urls.push(url)
          for (const index of KEEPERS.keys()) {
            const keeper = await nodes.open(url, await handshake(url, `keeper ${index}`))
            await until(() => keeper.names().includes('ready'))
          }
        }
        const page = new Page(
          await handshake(urls[0] ?? '', 'ann'),
          (node, token, position) => nodes.open(urls[node] ?? '', token, position),
          ({ _id, team, stamp }) => {
            const sighting = { user: 'ann', root: 'tasks', id: Number(_id), group: String(team) }
            faults.add(history.judge({ ...sighting, stamp: Number(stamp) }) ?? '')
          },
        )
        const take = async (step: Step) => {
          if ('write' in step) await write(step.write, step.team)
          else if ('gap' in step) {
            page.leave()
            await toggle(step.gap)
            for (const each of step.writes) await write(each.write, each.team)
            await toggle(step.gap)
          } else if ('toggle' in step) await toggle(step.toggle)
          else if ('away' in step) page.leave()
          else if ('turns' in step) for (let turns = step.turns; turns >= 0; turns--) await yieldToEventLoop()
          else {
            await page.come(step.node)
            if (step.waits) await until(() => page.isReady, 'ready')
          }
        }
        try {
          await page.come(0)
          await until(() => page.isReady, 'ready at first')
          for (const each of steps) await take(each)
          await page.come(1)
          const rows = (await tasks.find({}).toArray()) as Document[]
          const stamps = (shown: Document[]) => shown.map(({ stamp }) => Number(stamp)).sort()
          const mine = stamps(rows.filter(({ team }) => history.has('ann', String(team))))
          const isRight = () => {
            page.take()
            return page.isReady && stamps(page.reader.model.tasks ?? []).join() === mine.join()
          }
          await until(isRight, `what is shown is ${mine}`)
          faults.delete('')
          expect([...faults]).to.deep.equal([])
        } finally {
          page.leave()
          await nodes.end()
        }
      }),
      { numRuns: Number(process.env.LAW_RUNS ?? 100) },
    )
  })
})
