import { createCipheriv, createDecipheriv } from 'node:crypto'
import { mock } from 'node:test'

/** How a world's time goes by. */
export interface Time {
  /** One turn of the event loop (or, where a real database answers, long enough for it to do so). */
  turn(): Promise<void>
  /** So many milliseconds go by for the servers and their timers. */
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
