import type { Pool } from 'pg'
import { describeGiven, type Mistaken } from '../../model/given.ts'
import { invalidOption } from '../../model/unknown.ts'
import { wrongPools } from '../sql/wrong-pool.ts'

const OWN = 'give Particle a pool of its own, new pg.Pool({ connectionString })'
const MISTAKEN: readonly Mistaken[] = [
  [
    ({ connectionParameters }) => connectionParameters !== undefined,
    'a single Client: give a Pool, new pg.Pool({ connectionString })',
  ],
  [
    ({ Pool, Client }) => typeof Pool === 'function' && typeof Client === 'function',
    'the package itself: give new pg.Pool({ connectionString })',
  ],
  [
    ({ unsafe, begin }) => typeof unsafe === 'function' && typeof begin === 'function',
    `a connection of postgres.js: ${OWN}`,
  ],
  ...wrongPools(OWN),
]

/**
 * Checks the argument of `postgres()`.
 * @throws ParticleError `INVALID_OPTION`, with a sentence that says what to pass instead
 */
export function checkPool(pool: unknown): asserts pool is Pool {
  const { connect, options, ending } = (pool ?? {}) as { [name: string]: unknown }
  const given =
    typeof connect !== 'function' || typeof options !== 'object'
      ? describeGiven(pool, MISTAKEN)
      : ending
        ? 'this one was ended already'
        : undefined
  if (given !== undefined) throw invalidOption(`postgres(pool) takes a Pool of the pg package, but ${given}`)
}
