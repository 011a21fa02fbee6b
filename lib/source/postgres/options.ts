import { invalidOption, notKnown, refuseUnknown } from '../../model/unknown.ts'
import { checkOncePerHost, type OncePerHost } from '../host/index.ts'
import { checkName } from './triggers.ts'

/** Options of {@link postgres}. */
export interface PostgresOptions {
  /**
   * The way to follow changes: logical replication, or the triggers of `installTriggers`. Default: `auto`,
   * replication if the server and the role allow it, else triggers.
   */
  changes?: 'auto' | 'replication' | 'triggers'
  /** The publication to create and use, whose name temporary slots start with. Default: `particle`. */
  publication?: string
  /**
   * The name of a permanent slot, which all nodes share and none reads. With the slot, positions can be
   * resumed on any node, and across lost connections. Refused if the server's `max_slot_wal_keep_size` is
   * unlimited, because nothing else limits the slot's WAL while no node runs. Default: none. Then the server
   * keeps nothing, and a lost connection loses the history.
   */
  slot?: string
  /**
   * The maximum of WAL that the server keeps for a slot, in bytes. Particle gives the slot up above it.
   * Default: 1 GiB.
   */
  slotBytes?: number
  /** The history of the permanent slot, in milliseconds. Default: 60,000. */
  history?: number
  /** The schema of the outbox from `installTriggers`. Default: `particle_outbox`. */
  schema?: string
  /** The interval of the checks of slots, the outbox and the catalog, in milliseconds. Default: 10,000. */
  checkInterval?: number
  /**
   * Follows the changes once per host instead of once per process: `true`, or a folder for the socket of the
   * processes. Default: `false`.
   */
  oncePerHost?: OncePerHost
}

/** Holds the options with their defaults. */
export type Settings = Required<Omit<PostgresOptions, 'slot'>> & { slot: string | undefined }

const WAYS: readonly string[] = ['auto', 'replication', 'triggers']
const NUMBERS = ['slotBytes', 'history', 'checkInterval'] as const
const DEFAULTS = {
  changes: 'auto',
  publication: 'particle',
  slot: undefined,
  slotBytes: 1024 ** 3,
  history: 60_000,
  schema: 'particle_outbox',
  checkInterval: 10_000,
  oncePerHost: false,
} as const

/** Checks the options and adds the defaults. Throws `INVALID_OPTION`. */
export function checkOptions(options: PostgresOptions): Settings {
  refuseUnknown('postgres(pool, options): option', options, Object.keys(DEFAULTS))
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const all = { ...DEFAULTS, ...(given as PostgresOptions) }
  if (!WAYS.includes(all.changes)) throw invalidOption(`The option 'changes' ${notKnown(all.changes, WAYS)}`)
  if (all.changes === 'triggers' && all.slot !== undefined)
    throw invalidOption("The option 'slot' is for logical replication, and 'changes' is 'triggers'")
  checkName(all.publication, 'publication')
  checkName(all.schema, 'schema')
  if (all.slot !== undefined) checkName(all.slot, 'slot')
  checkOncePerHost('postgres(pool, options):', all.oncePerHost)
  for (const name of NUMBERS)
    if (!Number.isFinite(all[name]) || all[name] <= 0)
      throw invalidOption(`The option '${name}' is a number above 0`)
  return { ...all, slot: all.slot }
}
