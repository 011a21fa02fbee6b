import { refuseOption } from '../../model/unknown.ts'

/** Describes an option that is a number: its default, its least value, its unit, and its greatest value. */
export type NumberForm = readonly [standard: number, least: number, unit?: 'ms' | 'bytes', most?: number]

/**
 * Checks an option that is a number.
 *
 * @returns the number; the standard without a number
 * @throws ParticleError `INVALID_OPTION` when the value is not a number of the range
 */
export function numberOption(
  name: string,
  value: unknown,
  [standard, least, unit, most = Number.POSITIVE_INFINITY]: NumberForm,
): number {
  if (value === undefined) return standard
  if (typeof value === 'number' && value >= least && value <= most) return value
  const isTooLarge = typeof value === 'number' && value > most
  const bound = isTooLarge ? `be at most ${most}` : `be a number of at least ${least}`
  const given =
    typeof value === 'string' ? JSON.stringify(value) : typeof value === 'number' ? value : typeof value
  refuseOption(`${name} must ${bound}${unit ? ` ${unit}` : ''}: this is ${given}`)
}

/** Checks each option of a table by {@link numberOption}. Errors put `prefix` before the option's name. */
export function numberOptions<Name extends string>(
  forms: Readonly<Record<Name, NumberForm>>,
  given: { readonly [N in NoInfer<Name>]?: unknown },
  prefix = '',
): Record<Name, number> {
  const names = Object.keys(forms) as Name[]
  return Object.fromEntries(
    names.map((name) => [name, numberOption(`${prefix}${name}`, given[name], forms[name])]),
  ) as Record<Name, number>
}
