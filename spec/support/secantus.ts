import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from './process.ts'

export const SECANTUS_VERSION = '0.7.0b3'

const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache')
const HOME = join(CACHE, `secantusdb-${SECANTUS_VERSION}`)

let installing: Promise<string[]> | undefined

/** The command line that starts SecantusDB (GPL: a tool of the tests only), after installing it from PyPI where it isn't yet. */
export async function secantusCommand(): Promise<string[]> {
  installing ??= install()
  return await installing
}

async function install(): Promise<string[]> {
  // Not the script `secantusd-py`: its first line names the temporary folder.
  const command = [join(HOME, 'bin', 'python'), '-m', 'secantus']
  if (existsSync(HOME)) return command
  console.log(`mongo: installing SecantusDB ${SECANTUS_VERSION} from PyPI into ${HOME}`)
  const temporary = `${HOME}.${process.pid}`
  await mkdir(CACHE, { recursive: true })
  await rm(temporary, { recursive: true, force: true })
  try {
    await runProgram('python3', ['-m', 'venv', temporary], 120_000)
    const pip = [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      `SecantusDB==${SECANTUS_VERSION}`,
    ]
    await runProgram(join(temporary, 'bin', 'python'), pip, 300_000)
    await rename(temporary, HOME).catch((error: unknown) => {
      // Another process was faster.
      if (!existsSync(HOME)) throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return command
}
