import type { Document } from '../../model/document.ts'
import { type RedisClient, send } from './client.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { runScript, type Script } from './script.ts'
import { READ_SELECTED, SCAN_SELECTED } from './selection.ts'

/** How many keys are asked for at once. */
const BATCH = 250
/** Limits the steps without a plan, after a plan that almost all documents passed. */
const LONGEST_REST = 16

/** Holds a selecting script's reply for a key; 1 for a key that the script had no time for. */
type Selected = RawDocument | 1

/**
 * Represents a step of a scan: the next cursor, the number of scanned keys, and the selected keys, each
 * followed by its content.
 */
type Step = readonly [cursor: string, count: number, found: readonly (string | Selected)[]]

/** Reads the documents of a collection that may match a plan. */
export class Scan {
  readonly #client: RedisClient
  readonly #mapping: Mapping
  readonly #plan: () => string
  #useless: string | undefined
  #rest = 0
  #left = 0

  /** @param plan returns the present plan, from `planOf` */
  constructor(client: RedisClient, mapping: Mapping, plan: () => string) {
    this.#client = client
    this.#mapping = mapping
    this.#plan = plan
  }

  /** Scans the whole collection. `once`: returns each document once, though SCAN may repeat keys. */
  async *all(once: boolean): AsyncGenerator<Document[]> {
    const seen = new Set<string>()
    let step: Promise<Step> | undefined = this.#step('0')
    while (step) {
      const [cursor, , found]: Step = await step
      // Starts the server's next step while this step's documents are tested.
      step = cursor === '0' ? undefined : this.#step(cursor)
      step?.catch(() => {})
      const documents: (Document | undefined)[] = []
      const left: string[] = []
      for (let at = 0; at + 1 < found.length; at += 2) {
        const [key, raw] = [found[at] as string, found[at + 1] as Selected]
        if (seen.has(key)) continue
        if (once) seen.add(key)
        // Reads a key again that isn't UTF-8, because it looks like another key.
        if (raw === 1 || key.includes('\ufffd')) left.push(key)
        else documents.push(this.#document(key, raw))
      }
      yield documents.filter((document) => document !== undefined)
      if (left.length > 0) yield* this.keys(left)
    }
  }

  /** Reads the documents of these keys. */
  async *keys(keys: readonly string[]): AsyncGenerator<Document[]> {
    let left = keys
    while (left.length > 0) {
      const batch = left.slice(0, BATCH)
      const found = (await this.#run(READ_SELECTED, batch, [
        this.#mapping.prefix,
        this.#plan(),
      ])) as Selected[]
      const documents = batch.map((key, index) => this.#document(key, found[index] ?? null))
      left = [...batch.filter((_, index) => found[index] === 1), ...left.slice(BATCH)]
      yield documents.filter((document) => document !== undefined)
    }
  }

  async #step(cursor: string): Promise<Step> {
    const { pattern, prefix } = this.#mapping
    const plan = this.#plan()
    const rests = plan === this.#useless && this.#left-- > 0
    const step = (await this.#run(SCAN_SELECTED, [], [cursor, pattern, prefix, rests ? '' : plan])) as Step
    if (!rests) {
      // Stops testing on the server if most documents pass: the tests then cost more than the sending.
      const passed = step[2].length / 2 > step[1] * 0.75
      this.#rest = passed ? Math.min(this.#rest * 2 || 1, LONGEST_REST) : 0
      this.#left = this.#rest
      this.#useless = passed ? plan : undefined
    }
    return step
  }

  /** Returns the document of a key, if the key has one. */
  #document(key: string, raw: Selected): Document | undefined {
    const id = raw === 1 ? undefined : this.#mapping.idOf(key)
    return id === undefined ? undefined : this.#mapping.document(id, raw as RawDocument)
  }

  async #run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return await runScript((command) => send(this.#client, command), script, keys, args)
  }
}
