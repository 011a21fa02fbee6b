import type { MongoClient } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import type { DriverClient } from './database.ts'
import { anyDatabase } from './server.ts'

/**
 * Asks the server, and connects the client first where its automatic connect has failed. The driver connects
 * by itself only at the first operation: after a failure, every operation rejects with
 * `MongoTopologyClosedError`, also once the server is there.
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
 * Connects a client whose automatic connect has failed. An operation that was under way when the application
 * closed the client fails in the same way, so that a new operation is tried first: that one rejects with
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

/** Throws the error, or for a client that the application has closed, an error that says what to do. */
export function explain(error: unknown): never {
  if (!isNamed(error, 'MongoNotConnectedError')) throw error
  throw new ParticleError(
    'SOURCE_FAILED',
    'The application has closed the MongoClient: call server.disconnect() before client.close(), ' +
      'or client.connect() to go on',
    { cause: error },
  )
}

/** Checks whether an automatic connect has failed, or the application was closing the client meanwhile. */
export function isTopologyClosed(error: unknown): boolean {
  return isNamed(error, 'MongoTopologyClosedError')
}

/** Compares the names of errors: an application may have another copy of the driver than ours. */
function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name
}
