import { ParticleError } from '../errors.ts'
import type { ClientOptions } from './options.ts'

/** Calls the functions of an application. */
interface Callbacks {
  /**
   * Calls a function of the application. Errors of that function are reported, and do not disturb the client.
   */
  call<A extends unknown[]>(callback: ((...args: A) => unknown) | undefined, ...args: A): void
  /** Reports a mistake of the application. Without `onError` the console shows the mistake. */
  report(error: ParticleError): void
}

/** Creates the functions by which a client calls its application. */
export function callbacksOf({ onError }: Pick<ClientOptions, 'onError'>): Callbacks {
  const call: Callbacks['call'] = (callback, ...args) => {
    try {
      callback?.(...args)
    } catch (cause) {
      const error = new ParticleError('CALLBACK_FAILED', `A callback of the client threw: ${cause}`, {
        cause,
      })
      if (callback === (onError as unknown)) console.error(error)
      else report(error)
    }
  }
  const report: Callbacks['report'] = (error) => {
    if (onError) call(onError, error)
    else console.error(error)
  }
  return { call, report }
}
