import { createHash } from 'node:crypto'
import { lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ParticleError } from '../../errors.ts'
import { FORMAT } from './wire.ts'

/** The longest path of a socket in bytes. macOS has the lowest bound: 104 with the closing zero. */
const LONGEST_PATH = 103
/** The bytes that a process adds to the path to listen under a name of its own, before it leads. */
const SUFFIX = 20

/** Returns the folder of the sockets: the given one, or one of this user below the system's folder. */
function folderOf(given: string | true): string {
  return given === true ? join(tmpdir(), `particle-${process.getuid?.() ?? ''}`) : given
}

/**
 * Returns the path of the socket for a source. Its folder is only for this user, because a process that
 * connects there can read all changes. Creates a missing folder.
 *
 * @param key everything that the changes depend on, as text
 * @throws ParticleError `MISCONFIGURED` for a folder that others may enter, or that can't be used
 */
export async function placeOf(given: string | true, key: string): Promise<string> {
  const folder = folderOf(given)
  if (process.platform === 'win32') throw unusable(folder, 'Windows has no sockets in folders')
  const path = join(folder, createHash('sha256').update(`${FORMAT} ${key}`).digest('base64url').slice(0, 20))
  if (Buffer.byteLength(path) + SUFFIX > LONGEST_PATH)
    throw unusable(folder, 'its path is too long for a socket: give a shorter one')
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw unusable(folder, error instanceof Error ? error.message : String(error), error)
  })
  const found = await lstat(folder)
  const { mode, uid } = found
  if (!found.isDirectory()) throw unusable(folder, 'it is a link: give the path of the folder itself')
  if (uid !== process.getuid?.()) throw unusable(folder, `it is a folder of another user (${uid})`)
  if ((mode & 0o077) !== 0) throw unusable(folder, 'others may enter it: give it the mode 0700')
  return path
}

/** Returns the warning that a folder can't be used. Each process then reads the changes by itself. */
export function unusable(folder: string, why: string, cause?: unknown): ParticleError {
  return new ParticleError(
    'MISCONFIGURED',
    `The option 'oncePerHost' has no effect here, because its folder ${folder} can't be used: ${why}`,
    cause === undefined ? {} : { cause },
  )
}
