import type { Document, Model } from '../../lib/model/document.ts'
import type { Account } from './node.ts'
import type { Stores } from './stores.ts'
import { LATEST, LATEST_LIMIT, LEVELS, USERS } from './world.ts'

type Row = Record<string, string | number>

/** What the stores hold, and what each user may see of it: read and filtered here, without the library. */
export class Truth {
  readonly #tasks: Row[]
  readonly #members: Row[]
  readonly #people: Map<unknown, number>
  readonly #news: Row[]
  readonly #accounts: Record<'debits' | 'credits', Row[]>
  readonly #sites: Account['site'][]

  private constructor(
    read: Record<'tasks' | 'members' | 'people' | 'news' | 'debits' | 'credits', Row[]>,
    sites: Account['site'][],
  ) {
    this.#tasks = read.tasks
    this.#members = read.members
    this.#people = new Map(read.people.map(({ _id, levels }) => [_id, Number(levels)]))
    this.#news = read.news
    this.#accounts = { debits: read.debits, credits: read.credits }
    this.#sites = sites
  }

  /** Reads the stores, which must be at rest. */
  static async read({ pool, client }: Stores, sites: Account['site'][]): Promise<Truth> {
    const rows = async (text: string): Promise<Row[]> => (await pool.query(text)).rows
    const news: Row[] = []
    for await (const keys of client.scanIterator({ MATCH: 'news:*', COUNT: 1000 }))
      for (const key of keys) {
        const { level, stamp, text } = JSON.parse((await client.get(key)) ?? '{}')
        news.push({ _id: Number(key.slice('news:'.length)), level, stamp, text })
      }
    const read = {
      tasks: await rows('SELECT _id, team, stamp, text FROM tasks ORDER BY _id'),
      members: await rows('SELECT person, team FROM memberships'),
      people: await rows('SELECT _id, levels FROM people'),
      debits: await rows('SELECT _id, n FROM debits ORDER BY _id'),
      credits: await rows('SELECT _id, n FROM credits ORDER BY _id'),
      news: news.sort(byId),
    }
    return new Truth(read, sites)
  }

  /** Returns what differs between a user's model and what the user may see, or undefined. */
  differenceOf(user: string, model: Partial<Model>): string | undefined {
    for (const [root, expected] of Object.entries(this.#modelOf(user))) {
      const found = differenceOf(root, [...(model[root] ?? [])].sort(byId), expected)
      if (found) return found
    }
    for (const [root, rows] of Object.entries(model)) {
      if (!root.startsWith(`${LATEST}?`)) continue
      const { team } = JSON.parse(root.slice(LATEST.length + 1))
      const all = this.#teamsOf(user).includes(team) ? this.#tasks.filter((task) => task.team === team) : []
      const latest = all.sort((a, b) => Number(b.stamp) - Number(a.stamp)).slice(0, LATEST_LIMIT)
      const found = differenceOf(root, rows ?? [], latest)
      if (found) return found
    }
    const [site] = model.site ?? []
    const isOfNode = this.#sites.some(
      (one) => JSON.stringify({ _id: 'site', ...one }) === JSON.stringify(site),
    )
    return isOfNode ? undefined : `site is ${JSON.stringify(site)}, of ${JSON.stringify(this.#sites)}`
  }

  /** Says how much there is to see, so that nobody compares nothing with nothing. */
  get size(): number {
    return USERS.reduce((sum, user) => sum + Object.values(this.#modelOf(user)).flat().length, 0)
  }

  #teamsOf(user: string): unknown[] {
    return this.#members.filter(({ person }) => person === user).map(({ team }) => team)
  }

  #modelOf(user: string): Record<string, Row[]> {
    const levels: unknown[] = LEVELS.slice(0, this.#people.get(user) ?? 0)
    const teams = this.#teamsOf(user)
    return {
      tasks: this.#tasks.filter(({ team }) => teams.includes(team)),
      news: this.#news.filter(({ level }) => levels.includes(level)),
      ...this.#accounts,
    }
  }
}

function differenceOf(
  root: string,
  shown: readonly Document[],
  expected: readonly Row[],
): string | undefined {
  const texts = (rows: readonly object[]) => rows.map((row) => JSON.stringify(Object.entries(row).sort()))
  const [is, should] = [texts(shown), texts(expected)]
  if (is.join() === should.join()) return undefined
  const tooMany = is.find((row) => !should.includes(row))
  const missing = should.find((row) => !is.includes(row))
  const counts = `${root} has ${is.length} rows for ${should.length}`
  return `${counts}: there is ${clip(tooMany)}, and missing is ${clip(missing)}`
}

function clip(text: string | undefined): string {
  return text === undefined ? 'nothing' : text.slice(0, 160)
}

function byId(a: { _id?: unknown }, b: { _id?: unknown }): number {
  return Number(a._id) - Number(b._id)
}
