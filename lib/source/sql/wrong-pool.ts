import type { Mistaken } from '../../model/given.ts'

/**
 * Lists the libraries whose instances are often passed in place of the driver's pool.
 *
 * @param own the remedy: how to make a pool for Particle alone
 */
export function wrongPools(own: string): readonly Mistaken[] {
  return [
    [
      ({ $client }) => $client !== undefined,
      'a database of drizzle: give the pool that it was made with, db.$client',
    ],
    [({ $connect }) => typeof $connect === 'function', `a client of prisma: ${own}`],
    [
      ({ raw, schema, context }) => typeof raw === 'function' && (schema ?? context) !== undefined,
      `an instance of knex: ${own}`,
    ],
    [
      ({ selectFrom }) => typeof selectFrom === 'function',
      `an instance of kysely: give the pool that it was made with`,
    ],
    [({ createQueryRunner }) => typeof createQueryRunner === 'function', `a data source of typeorm: ${own}`],
    [
      ({ authenticate, connectionManager }) =>
        typeof authenticate === 'function' && connectionManager !== undefined,
      `an instance of sequelize: ${own}`,
    ],
  ]
}
