import { ParticleError } from '../../errors.ts'

/**
 * Checks an option that is a number.
 *
 * @returns the number; the standard without a number
 * @throws ParticleError `INVALID_OPTION` when the value is not a number from `least` to `most`
 */
export function numberOption(
  name: string,
  value: unknown,
  standard: number,
  least: number,
  most = Number.POSITIVE_INFINITY,
): number {
  if (value === undefined) return standard
  if (typeof value !== 'number' || Number.isNaN(value) || value < least)
    throw new ParticleError('INVALID_OPTION', `${name} must be a number of at least ${least}`)
  if (value > most) throw new ParticleError('INVALID_OPTION', `${name} must be at most ${most}`)
  return value
}
