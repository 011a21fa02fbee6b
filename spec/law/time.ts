import { createCipheriv, createDecipheriv } from 'node:crypto'
import { mock } from 'node:test'

/** How a world's time goes by. */
export interface Time {
  /** One turn of the event loop (or, where a real database answers, long enough for it to do so). */
  turn(): Promise<void>
  /** So many milliseconds go by for the servers and their timers; in real time only where they are many (a heartbeat). */
  pass(milliseconds: number): void
  /** Gives the process its own time back. */
  stop(): void
}

/**
 * Time that stands still until it is told to go on, and a WebCrypto that answers at once: all that happens then follows from the steps of a run alone,
 * so that a run can be repeated and shrunk. Not for sources that talk to another process.
 */
export function virtualTime(): Time {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.parse('2026-01-01T00:00:00Z') })
  const restore = answerAtOnce()
  return {
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    pass: (milliseconds) => mock.timers.tick(milliseconds),
    stop: () => {
      mock.timers.reset()
      restore()
    },
  }
}

/** What is shorter goes by without being passed. */
const LONG = 10_000

/**
 * Time as it is, for stores that lie in other processes; a turn takes so many milliseconds. Long times are passed by hand all the same: the clock is put
 * forward, and the intervals that end meanwhile are run.
 */
export function realTime(turn: number): Time {
  const { Date: RealDate, setInterval: start, clearInterval: end } = globalThis
  const intervals = new Map<unknown, { run: () => void; every: number; gone: number }>()
  let ahead = 0
  class PutForward extends RealDate {
    constructor(...given: unknown[]) {
      super(...((given.length === 0 ? [RealDate.now() + ahead] : given) as []))
    }
    static override now(): number {
      return RealDate.now() + ahead
    }
    // Those that were made before are dates, too.
    static override [Symbol.hasInstance](value: unknown): boolean {
      return Object.prototype.toString.call(value) === '[object Date]'
    }
  }
  const started = (run: () => void, every = 0, ...given: []) => {
    const interval = start(run, every, ...given)
    if (every >= LONG) intervals.set(interval, { run, every, gone: 0 })
    return interval
  }
  const ended = (interval: NodeJS.Timeout) => {
    intervals.delete(interval)
    end(interval)
  }
  Object.assign(globalThis, { Date: PutForward, setInterval: started, clearInterval: ended })
  return {
    turn: () => new Promise((resolve) => setTimeout(resolve, turn)),
    pass: (milliseconds) => {
      if (milliseconds < LONG) return
      ahead += milliseconds
      for (const interval of intervals.values()) {
        interval.gone += milliseconds
        for (; interval.gone >= interval.every; interval.gone -= interval.every) interval.run()
      }
    },
    stop: () => Object.assign(globalThis, { Date: RealDate, setInterval: start, clearInterval: end }),
  }
}

interface Algorithm {
  iv: Uint8Array
  additionalData: Uint8Array
}

interface Key {
  bytes: Uint8Array
}

const KEY = { type: 'secret', extractable: false, [Symbol.toStringTag]: 'CryptoKey' }
const TAG = 16

/** A256GCM, as tokens are sealed with, without the thread pool, which answers in whatever turn it likes. */
function answerAtOnce(): () => void {
  const { subtle } = globalThis.crypto
  const methods = {
    importKey: async (
      _format: string,
      bytes: Uint8Array,
      algorithm: object,
      _: boolean,
      usages: string[],
    ) => ({
      ...KEY,
      algorithm: { length: bytes.length * 8, ...algorithm },
      usages,
      bytes,
    }),
    encrypt: async ({ iv, additionalData }: Algorithm, { bytes }: Key, data: Uint8Array) => {
      const cipher = createCipheriv('aes-256-gcm', bytes, iv).setAAD(additionalData)
      return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
    },
    decrypt: async ({ iv, additionalData }: Algorithm, { bytes }: Key, data: Uint8Array) => {
      const cipher = createDecipheriv('aes-256-gcm', bytes, iv).setAAD(additionalData)
      cipher.setAuthTag(data.subarray(-TAG))
      return Buffer.concat([cipher.update(data.subarray(0, -TAG)), cipher.final()])
    },
  }
  for (const [name, value] of Object.entries(methods))
    Object.defineProperty(subtle, name, { value, configurable: true })
  return () => {
    for (const name of Object.keys(methods)) Reflect.deleteProperty(subtle, name)
  }
}
