import { isDeepStrictEqual } from 'node:util'

/**
 * Tests behaviours, each by the number of its rule in docs/reference/protocol.md and a sentence:
 * `E4 a root is shown with its last part`. A test rejects with a {@link Mistake} or a {@link Skip}; any other
 * error is a failure too. `Scene` gives it the client, or the server, under test.
 */
export type Tests<Scene> = Readonly<Record<string, (scene: Scene) => Promise<void>>>

/** Describes one test. */
export interface Case<Scene> {
  rule: string
  title: string
  /** Whether the case runs after the others, while no other does. */
  isAlone: boolean
  run: (scene: Scene) => Promise<void>
}

/** Lists tests as cases. */
export function casesOf<Scene>(tests: Tests<Scene>, isAlone = false): Case<Scene>[] {
  return Object.entries(tests).map(([sentence, run]) => {
    const [rule = '', ...words] = sentence.split(' ')
    return { rule, title: words.join(' '), isAlone, run }
  })
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
