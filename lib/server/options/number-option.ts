import { ParticleError } from '../../errors.ts'

/** Describes the valid values of a number. */
export interface Range {
  least: number
  most?: number
  /** The unit that an error names, such as `ms`. Default: none. */
  unit?: 'ms' | 'bytes'
}

/**
 * Checks an option that is a number.
 *
 * @returns the number; the standard without a number
 * @throws ParticleError `INVALID_OPTION` when the value is not a number of the range
 */
export function numberOption(
  name: string,
  value: unknown,
  standard: number,
  { least, most = Number.POSITIVE_INFINITY, unit }: Range,
): number {
  if (value === undefined) return standard
  if (typeof value === 'number' && value >= least && value <= most) return value
  const isTooLarge = typeof value === 'number' && value > most
  const bound = isTooLarge ? `be at most ${most}` : `be a number of at least ${least}`
  const given =
    typeof value === 'string' ? JSON.stringify(value) : typeof value === 'number' ? value : typeof value
  throw new ParticleError(
    'INVALID_OPTION',
    `${name} must ${bound}${unit ? ` ${unit}` : ''}: this is ${given}`,
  )
}
