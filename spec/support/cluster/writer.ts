import type { AnyBulkWriteOperation, Db, Document } from 'mongodb'

type Write = AnyBulkWriteOperation<Document & { _id: number }>

const TASKS = 400
const NOTICES = 50
const BULK = 40

/** Writes at random, the same for the same seed. Every update of a document moves its counter `n` on by one. */
export class Writer {
  /** Writes that the database has acknowledged. */
  written = 0
  readonly #db: Db
  readonly #teams: readonly string[]
  #state: number

  constructor(db: Db, teams: readonly string[], seed: number) {
    this.#db = db
    this.#teams = teams
    this.#state = seed
  }

  /** Fills the collections. */
  async fill(): Promise<void> {
    const ids = (count: number) => Array.from({ length: count }, (_, id) => id)
    await this.#db.collection<{ _id: number }>('tasks').insertMany(ids(TASKS).map((id) => this.#task(id)))
    await this.#db
      .collection<{ _id: number }>('notices')
      .insertMany(ids(NOTICES).map((id) => this.#notice(id)))
  }

  /** Writes once: a bulk of many, or, every other time, a few single ones. */
  async write(): Promise<void> {
    const root = this.#random(10) === 0 ? 'notices' : 'tasks'
    const collection = this.#db.collection<Document & { _id: number }>(root)
    const one = () => (root === 'notices' ? this.#noticeWrite() : this.#taskWrite())
    if (this.#random(2) === 0) {
      const operations = Array.from({ length: BULK }, one)
      await collection.bulkWrite(operations, { ordered: this.#random(2) === 0 })
      this.written += BULK
      return
    }
    for (let i = this.#random(20); i >= 0; i--) {
      await collection.bulkWrite([one()])
      this.written++
    }
  }

  #taskWrite(): Write {
    const id = this.#random(TASKS)
    const text = `${this.#random(1e6)}`
    const kind = this.#random(100)
    if (kind < 30) return update(id, { $set: { title: text } })
    if (kind < 50) return update(id, { $push: { tags: text } })
    if (kind < 60) return update(id, { $push: { tags: { $each: [text], $slice: -6 } } })
    if (kind < 68) return update(id, { $set: { 'detail.a': text, secret: 'SECRET' } })
    if (kind < 76) return update(id, { $set: { team: this.#team() } })
    if (kind < 80) return update(id, { $pop: { tags: 1 } })
    if (kind < 84) return update(id, { $unset: { detail: '' } })
    if (kind < 90) return { deleteOne: { filter: { _id: id } } }
    return { replaceOne: { filter: { _id: id }, replacement: this.#task(id), upsert: true } }
  }

  #noticeWrite(): Write {
    const id = this.#random(NOTICES)
    const text = `${this.#random(1e6)}`
    const kind = this.#random(100)
    if (kind < 40) return update(id, { $set: { text } })
    if (kind < 70) return update(id, { $push: { tags: { $each: [text], $slice: -6 } } })
    if (kind < 75) return { deleteOne: { filter: { _id: id } } }
    if (kind < 90) return { replaceOne: { filter: { _id: id }, replacement: this.#notice(id), upsert: true } }
    return update(id, { $set: { secret: 'SECRET' } })
  }

  #task(_id: number) {
    return { _id, team: this.#team(), title: 'new', n: 0, tags: [], detail: { a: 1, b: 2 }, secret: 'SECRET' }
  }

  #notice(_id: number) {
    return { _id, text: `new ${this.#random(1e6)}`, n: 0, tags: [], secret: 'SECRET' }
  }

  #team(): string {
    return this.#teams[this.#random(this.#teams.length)] ?? ''
  }

  /** A whole number below n. */
  #random(n: number): number {
    this.#state = (this.#state * 16807) % 2147483647
    return this.#state % n
  }
}

function update(_id: number, operators: Document): Write {
  return { updateOne: { filter: { _id }, update: { ...operators, $inc: { n: 1 } } } }
}
