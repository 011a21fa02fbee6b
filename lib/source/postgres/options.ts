import { ParticleError } from '../../errors.ts'
import { notKnown, refuseUnknown } from '../../model/unknown.ts'
import { checkName } from './triggers.ts'

/** Options of {@link postgres}. */
export interface PostgresOptions {
  /**
   * How to learn of changes: by logical replication, or by the triggers of `installTriggers`. Default `auto`:
   * by replication where the server and the role allow it, else by triggers.
   */
  changes?: 'auto' | 'replication' | 'triggers'
  /** The publication that is made, and that temporary slots are named after. Default `particle`. */
  publication?: string
  /**
   * The name of a permanent slot, which all nodes share and none reads: with it, positions can be resumed on
   * any node, and over lost connections. Refused where the server's `max_slot_wal_keep_size` is unlimited,
   * since nothing else bounds what the slot holds back while no node runs. Default: none; then nothing is
   * left on the server, and with a connection goes the history.
   */
  slot?: string
  /** How many bytes of WAL a slot may make the server keep before it is given up. Default 1 GiB. */
  slotBytes?: number
  /** How far back the permanent slot is kept, in milliseconds. Default 60,000. */
  history?: number
  /** The schema of the outbox that `installTriggers` made. Default `particle_outbox`. */
  schema?: string
  /** How often slots, the outbox and the catalog are looked at, in milliseconds. Default 10,000. */
  checkInterval?: number
}

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
} as const

/** Checks the options and fills in what is left out. Throws `INVALID_OPTION`. */
export function checkOptions(
  options: PostgresOptions,
): Required<Omit<PostgresOptions, 'slot'>> & { slot: string | undefined } {
  refuseUnknown('postgres(pool, options): option', options, Object.keys(DEFAULTS))
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const all = { ...DEFAULTS, ...(given as PostgresOptions) }
  if (!WAYS.includes(all.changes)) throw invalid(`The option 'changes' ${notKnown(all.changes, WAYS)}`)
  if (all.changes === 'triggers' && all.slot !== undefined)
    throw invalid("The option 'slot' is for logical replication, and 'changes' is 'triggers'")
  checkName(all.publication, 'publication')
  checkName(all.schema, 'schema')
  if (all.slot !== undefined) checkName(all.slot, 'slot')
  for (const name of NUMBERS)
    if (!Number.isFinite(all[name]) || all[name] <= 0)
      throw invalid(`The option '${name}' is a number above 0`)
  return { ...all, slot: all.slot }
}

function invalid(message: string): ParticleError {
  return new ParticleError('INVALID_OPTION', message)
}
