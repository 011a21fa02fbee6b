import { ParticleError } from '../../lib/errors.ts'

/** The code of the ParticleError that a function throws; `undefined` if it throws none. */
export function refusal(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof ParticleError) return error.code
    throw error
  }
  return undefined
}
