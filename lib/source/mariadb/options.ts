import { invalidOption, refuseUnknown } from '../../model/unknown.ts'

/** Options of {@link mariadb}. */
export interface MariadbOptions {
  /**
   * The interval of the checks that the binary log was not deleted (`RESET MASTER`), in milliseconds.
   * Default: 10,000.
   */
  checkInterval?: number
}

/** Holds the options with their defaults. */
export type Settings = Required<MariadbOptions>

const DEFAULTS: Settings = { checkInterval: 10_000 }

/** Checks the options and adds the defaults. Throws `INVALID_OPTION`. */
export function checkOptions(options: MariadbOptions): Settings {
  refuseUnknown('mariadb(pool, options): option', options, Object.keys(DEFAULTS))
  const checkInterval = options.checkInterval ?? DEFAULTS.checkInterval
  if (!Number.isFinite(checkInterval) || checkInterval <= 0)
    throw invalidOption("The option 'checkInterval' must be a number of milliseconds above 0")
  return { checkInterval }
}
