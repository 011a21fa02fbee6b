import type { Pool } from 'pg'
import { describeGiven, type Mistaken } from '../../model/given.ts'
import { invalidOption } from '../../model/unknown.ts'

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
    ({ $client }) => $client !== undefined,
    'a database of drizzle: give the pool that it was made with, db.$client',
  ],
  [({ $connect }) => typeof $connect === 'function', `a client of prisma: ${OWN}`],
  [
    ({ raw, schema, context }) => typeof raw === 'function' && (schema ?? context) !== undefined,
    `an instance of knex: ${OWN}`,
  ],
  [
    ({ selectFrom }) => typeof selectFrom === 'function',
    `an instance of kysely: give the pool that it was made with`,
  ],
  [
    ({ unsafe, begin }) => typeof unsafe === 'function' && typeof begin === 'function',
    `a connection of postgres.js: ${OWN}`,
  ],
  [({ createQueryRunner }) => typeof createQueryRunner === 'function', `a data source of typeorm: ${OWN}`],
  [
    ({ authenticate, connectionManager }) =>
      typeof authenticate === 'function' && connectionManager !== undefined,
    `an instance of sequelize: ${OWN}`,
  ],
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
