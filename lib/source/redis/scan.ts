import type { Document } from '../../model/document.ts'
import { type RedisClient, send } from './client.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { runScript, type Script } from './script.ts'
import { READ_SELECTED, SCAN_SELECTED } from './selection.ts'

/** How many keys are asked for at once. */
const BATCH = 250
/** So many steps at most go without a plan that let nearly all pass. */
const LONGEST_REST = 16

/** What a script that selects gives for a key: 1 for one that it had no time for. */
type Selected = RawDocument | 1

/**
 * A step of a scan: the next cursor, how many keys it came across, and those that were selected, each
 * followed by what it holds.
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

  /** @param plan what is looked for from here on, by `planOf` */
  constructor(client: RedisClient, mapping: Mapping, plan: () => string) {
    this.#client = client
    this.#mapping = mapping
    this.#plan = plan
  }

  /** Those of the whole collection; `once`: each once, though SCAN may give one twice. */
  async *all(once: boolean): AsyncGenerator<Document[]> {
    const seen = new Set<string>()
    let step: Promise<Step> | undefined = this.#step('0')
    while (step) {
      const [cursor, , found]: Step = await step
      // The server takes the next step while this one's documents are looked at.
      step = cursor === '0' ? undefined : this.#step(cursor)
      step?.catch(() => {})
      const documents: (Document | undefined)[] = []
      const left: string[] = []
      for (let at = 0; at + 1 < found.length; at += 2) {
        const [key, raw] = [found[at] as string, found[at + 1] as Selected]
        if (seen.has(key)) continue
        if (once) seen.add(key)
        // A key that isn't UTF-8 looks like another one.
        if (raw === 1 || key.includes('\ufffd')) left.push(key)
        else documents.push(this.#document(key, raw))
      }
      yield documents.filter((document) => document !== undefined)
      if (left.length > 0) yield* this.keys(left)
    }
  }

  /** Those of these keys. */
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
      // To judge what passes anyway costs more than to send it.
      const passed = step[2].length / 2 > step[1] * 0.75
      this.#rest = passed ? Math.min(this.#rest * 2 || 1, LONGEST_REST) : 0
      this.#left = this.#rest
      this.#useless = passed ? plan : undefined
    }
    return step
  }

  /** The document of a key, if it is one. */
  #document(key: string, raw: Selected): Document | undefined {
    const id = raw === 1 ? undefined : this.#mapping.idOf(key)
    return id === undefined ? undefined : this.#mapping.document(id, raw as RawDocument)
  }

  async #run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return await runScript((command) => send(this.#client, command), script, keys, args)
  }
}
