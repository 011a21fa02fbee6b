import { isDeepStrictEqual } from 'node:util'

/** Tests one behaviour. `Scene` gives the case the client, or the server, under test. */
export interface Case<Scene> {
  /** The number of the rule in docs/reference/protocol.md: `E4`. */
  rule: string
  /** States the tested behaviour, as the end of a sentence about the rule. */
  title: string
  /** The roots of the fixture that the case needs, beside `tasks`. */
  needs?: readonly string[]
  /** Whether the case runs after the others, while no other does. */
  isAlone?: true
  /** Rejects with a {@link Mistake} or a {@link Skip}; any other error is a failure too. */
  run: (scene: Scene) => Promise<void>
}

/** Reports that the client or the server under test breaks a rule. */
export class Mistake extends Error {}

/** Reports that a case can't run, because the driver or the fixture lacks a part. */
export class Skip extends Error {}

/** Limits the texts of values in a message, in characters. */
const MAX_SHOWN = 400

/** Writes a value for a message. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

/** @throws Mistake with the sentence unless the condition holds */
export function check(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new Mistake(sentence)
}

/** @throws Mistake unless both values are equal as JSON, whatever the order of their fields */
export function checkEqual(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return
  throw new Mistake(`${what} is ${shown(actual)}, and should be ${shown(expected)}`)
}

/** Resolves after a number of milliseconds. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/**
 * Resolves to the value of a promise.
 *
 * @throws Mistake when the promise takes longer than `milliseconds`
 */
export async function within<T>(milliseconds: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Mistake(`${what} did not happen within ${milliseconds} ms`)),
      milliseconds,
    )
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
