import type { MongoClient } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import type { DriverClient } from './database.ts'
import { anyDatabase } from './server.ts'

/**
 * Asks the server. Connects a client whose automatic connect has failed, and asks again. The driver connects
 * by itself only at the first operation: after a failure, every operation rejects with
 * `MongoTopologyClosedError`, even with a running server.
 *
 * @throws ParticleError `SOURCE_FAILED` when the application has closed the client; else the driver's error
 */
export async function connected<T>(client: DriverClient, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!isTopologyClosed(error)) explain(error)
  }
  await reconnect(client)
  return await ask()
}

/**
 * Connects a client whose automatic connect has failed. Tries an operation first: an operation fails in the
 * same way when the application closes the client, but the next one then rejects with
 * `MongoNotConnectedError`.
 */
export async function reconnect(client: DriverClient): Promise<void> {
  try {
    await anyDatabase(client as MongoClient).command({ ping: 1 })
  } catch (error) {
    if (!isTopologyClosed(error) || typeof client.connect !== 'function') explain(error)
    await client.connect()
  }
}

/**
 * Throws the error, or an error with the remedy: for a client that the application has closed, and for a
 * client of another copy of the driver, whose BSON classes have another version than ours.
 */
export function explain(error: unknown): never {
  if (isNamed(error, 'BSONVersionError')) {
    throw new ParticleError(
      'SOURCE_FAILED',
      'The database belongs to another version of the package mongodb than the one that Particle loads: ' +
        'install the version of the client (of mongoose, for example) beside Particle, and only that one',
      { cause: error },
    )
  }
  if (!isNamed(error, 'MongoNotConnectedError')) throw error
  throw new ParticleError(
    'SOURCE_FAILED',
    'The application has closed the MongoClient: call server.disconnect() before client.close(), ' +
      'or client.connect() to go on',
    { cause: error },
  )
}

/** Checks for a client whose automatic connect has failed, or that the application is closing. */
export function isTopologyClosed(error: unknown): boolean {
  return isNamed(error, 'MongoTopologyClosedError')
}

/** Compares the names of errors: an application may have another copy of the driver than ours. */
function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name
}
