import { ParticleError } from '../../lib/errors.ts'

/** The code and message of the ParticleError that a call throws; the code is `none` when it throws nothing. */
export function failure(run: () => unknown): { code: string; message: string } {
  try {
    run()
  } catch (error) {
    if (error instanceof ParticleError) return { code: error.code, message: error.message }
    throw error
  }
  return { code: 'none', message: '' }
}
