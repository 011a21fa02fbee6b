// The clients that must always be right, in a process of their own, forked by crowd.ts.
import { Client } from '../../lib/client/client.ts'
import type { Model } from '../../lib/model/document.ts'
import { Random } from '../hostile/support/random.ts'
import { count, flaw, send, sightings } from './reports.ts'
import { tornIn } from './sightings.ts'
import { LATEST, passwordOf, TEAMS, teamsOf } from './world.ts'

export type CrowdOrder = { order: 'open'; users: string[] } | { order: 'models' | 'close' }

/** What one client shows. */
export interface Shown {
  user: string
  status: string
  data: Partial<Model>
}

const [url = '', seed = '1'] = process.argv.slice(2)
const random = new Random(Number(seed))
const visitors = new Set<Visitor>()

/** One page of a user: it watches one team's latest tasks after the other, and comes back after a logout. */
class Visitor {
  readonly user: string
  #client: Client
  #wasReady = false
  /** Whether a root with a side of the transfers has failed since the last `ready`. */
  #isFailing = false
  #timer: NodeJS.Timeout | undefined
  #watch: ReturnType<Client['watch']> | undefined

  constructor(user: string) {
    this.user = user
    this.#client = this.#open()
    this.#look()
  }

  get shown(): Shown {
    const { status, data } = this.#client
    return { user: this.user, status, data }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#client.close()
  }

  #open(): Client {
    this.#wasReady = false
    const client: Client = new Client({
      url,
      identity: { user: this.user, password: passwordOf(this.user) },
      notify: 'event',
      onData: (model, event) => this.#see(model as Partial<Model>, event?.event, event?.data),
      onStatus: (status) => {
        if (status === 'ready') {
          this.#wasReady = true
          this.#isFailing = false
        }
        if (status === 'reconnecting') count('streams lost')
        if (status !== 'refused') return
        count('logouts')
        if (Object.values(client.data).some((rows) => (rows ?? []).length > 0))
          flaw(`a client of ${this.user} was refused and kept its model`)
        // A page would show its login now. Its next look must not end the timer.
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => {
          client.close()
          this.#client = this.#open()
          this.#look()
        }, 200)
      },
      onError: (error) => {
        if (/ (debits|credits) /.test(error.message)) this.#isFailing = true
        count(`error ${(error as { code?: string }).code ?? error.name}`)
      },
    })
    return client
  }

  /** Watches another team, which at times is one that the user may not see. */
  #look(): void {
    clearTimeout(this.#timer)
    const team = random.chance(0.8) ? random.pick(teamsOf(this.user)) : random.pick(TEAMS)
    const before = this.#watch
    this.#watch = this.#client.watch(LATEST, { team })
    before?.close()
    this.#timer = setTimeout(() => this.#look(), 1_000 + random.below(4_000))
  }

  #see(model: Partial<Model>, event: string | undefined, data: unknown): void {
    const { root = '', oplist } = Object(data) as { root?: string; oplist?: { id: unknown }[] }
    if (event === 'payload') count('roots loaded')
    const ids = event === 'delta' && oplist ? new Set(oplist.map(({ id }) => id)) : undefined
    for (const row of model[root] ?? [])
      if (ids === undefined || ids.has(row._id)) sightings.note(this.user, root, row)
    // The moments of the other roots end without a root that fails (docs/reference/wire.md, "Moments").
    const torn = this.#wasReady && !this.#isFailing ? tornIn(model) : undefined
    if (torn !== undefined) flaw(`${this.user} was shown half of a transaction: ${torn}`)
  }
}

process.on('message', (message: CrowdOrder) => {
  if (message.order === 'open') for (const user of message.users) visitors.add(new Visitor(user))
  if (message.order === 'models') send({ models: [...visitors].map(({ shown }) => shown) })
  if (message.order !== 'close') return
  for (const visitor of visitors) visitor.close()
  visitors.clear()
  send({ closed: true })
})
process.on('disconnect', () => process.exit())
send({ closed: true })
