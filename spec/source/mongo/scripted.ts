import { type ChangeStreamDocument, type MongoClient, Timestamp } from 'mongodb'
import type { EventStreamOptions, Watchable } from '../../../lib/source/mongo/stream.ts'

/** The next answer of the server comes in a later turn of the event loop. */
export const LATER = Symbol('later')
/** The driver goes on by itself, with a new cursor. */
export const RESUMED = Symbol('resumed')

export type Step = ChangeStreamDocument | null | Error | typeof LATER | typeof RESUMED

/** How a stream was opened. */
interface Opening {
  pipeline: object[]
  resumeAfter?: unknown
  startAfter?: unknown
  startAtOperationTime?: Timestamp
}

export const START = new Timestamp({ t: 1000, i: 1 })

/** An error as the driver throws it for an answer of the server. */
export function serverError(code: number, message = `code ${code}`): Error {
  return Object.assign(new Error(message), { code })
}

/** A document event at cluster time `1000 + at`, number `n` of it. */
export function eventAt(at: number, n = 0, fields: object = {}): ChangeStreamDocument {
  return {
    _id: { _data: `${at}-${n}` },
    operationType: 'insert',
    clusterTime: new Timestamp({ t: 1000 + at, i: 1 }),
    ns: { db: 'd', coll: 'users' },
    documentKey: { _id: `${at}-${n}` },
    fullDocument: { _id: `${at}-${n}` },
    ...fields,
  } as unknown as ChangeStreamDocument
}

/** The driver, as far as a stream uses it: each stream that is opened follows the next script, and then waits for ever. */
export class ScriptedDriver {
  readonly openings: Opening[] = []
  readonly #scripts: Step[][]
  /** Streams and sessions that were not closed yet. */
  open = 0

  constructor(...scripts: Step[][]) {
    this.#scripts = scripts
  }

  get options(): EventStreamOptions {
    const startSession = () => {
      this.open += 1
      return {
        endSession: async () => {
          this.open -= 1
        },
      }
    }
    return {
      client: { startSession } as unknown as MongoClient,
      source: { watch: (pipeline: object[], options: object) => this.#watch(pipeline, options) } as Watchable,
      pipeline: [],
      maxAwaitTimeMS: 10,
      expanded: true,
      sharded: false,
      start: { begin: { startAtOperationTime: START }, time: { t: 1000, i: 1 } },
    }
  }

  #watch(pipeline: object[], options: object) {
    this.openings.push({ pipeline, ...options })
    this.open += 1
    const steps = [...(this.#scripts.shift() ?? [])]
    let end = () => {}
    let changed = () => {}
    let asked = false
    const stream = {
      closed: false,
      cursor: {},
      resumeToken: { _data: 'quiet' } as unknown,
      on: (_name: string, listener: () => void) => {
        changed = listener
      },
      tryNext: async (): Promise<ChangeStreamDocument | null> => {
        for (;;) {
          const step = steps.shift()
          if (step === LATER || step === RESUMED || step === null) await later()
          if (step instanceof Error) throw step
          if (step === RESUMED) stream.cursor = {}
          if (step === RESUMED || !asked) changed()
          asked = true
          if (step === undefined) await new Promise<void>((resolve) => (end = resolve))
          if (step !== LATER && step !== RESUMED) return step ?? null
        }
      },
      close: async () => {
        stream.closed = true
        this.open -= 1
        end()
      },
    }
    return stream as never
  }
}

async function later(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
