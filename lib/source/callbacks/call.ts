import { ParticleError } from '../../errors.ts'
import { usesParameter } from './function-text.ts'

/** Limits the time for an application's function to answer, in milliseconds. */
const CALLBACK_TIMEOUT_MS = 30_000

const SILENT_HINT =
  ': it returned undefined, and has not called done, which its code uses; ' +
  'let it return null (or its answer) wherever it does not call done'

type Done<T> = (error?: unknown, value?: T) => void

/**
 * Calls a function of the application, which may return a value or a promise, or call `done(error, value)`.
 * The first answer counts.
 *
 * `undefined`, returned or resolved, is an answer too, except from a function that uses `done`, its parameter
 * number `arity` (see {@link usesParameter}). Such a function may call `done` later. A second answer is a bug
 * of the function: `onError` gets it, and the result does not change.
 *
 * @throws ParticleError `CALLBACK_FAILED`, with the cause, when the function throws, rejects, answers with an
 *   error or doesn't answer in time
 */
export function callback<T>(
  name: string,
  fn: (...args: never[]) => unknown,
  args: (done: Done<T>) => unknown[],
  options: { arity: number; onError: (error: ParticleError) => void; timeout?: number },
): Promise<T | undefined> {
  const timeout = options.timeout ?? CALLBACK_TIMEOUT_MS
  return new Promise((resolve, reject) => {
    let answered = false
    let doneCalled = false
    let silent = false
    const timer = setTimeout(
      () =>
        settle(
          new ParticleError(
            'CALLBACK_FAILED',
            `${name} did not answer within ${timeout} ms${silent ? SILENT_HINT : ''}`,
          ),
        ),
      timeout,
    )
    const settle = (error: ParticleError | undefined, value?: T) => {
      if (answered) {
        if (error) options.onError(error)
        return
      }
      answered = true
      clearTimeout(timer)
      if (error) reject(error)
      else resolve(value)
    }
    const failed = (cause: unknown, how: string) =>
      settle(new ParticleError('CALLBACK_FAILED', `${name} ${how}${describe(cause)}`, { cause }))
    const done: Done<T> = (error, value) => {
      if (doneCalled) {
        options.onError(new ParticleError('CALLBACK_FAILED', `${name} called done more than once`))
        return
      }
      doneCalled = true
      if (error !== null && error !== undefined && error !== false) failed(error, 'failed')
      else settle(undefined, value)
    }
    const answer = (value: unknown) => {
      if (value !== undefined || !usesParameter(fn, options.arity)) {
        if (!doneCalled) settle(undefined, value as T)
      } else silent = true
    }
    try {
      const returned = fn(...(args(done) as never[]))
      if (isThenable(returned)) returned.then(answer, (cause: unknown) => failed(cause, 'rejected'))
      else answer(returned)
    } catch (cause) {
      failed(cause, 'threw')
    }
  })
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

function describe(cause: unknown): string {
  return cause instanceof Error ? `: ${cause.message}` : ''
}
