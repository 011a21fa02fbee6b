import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { installPackage } from './debian.ts'
import { runProgram } from './process.ts'

const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache')

const installing = new Map<string, Promise<string>>()

/**
 * Returns the `python` of a virtual environment with these packages, after installing them from PyPI where they
 * are not there yet. Start programs of the packages with `-m`: their scripts name a folder that is gone.
 *
 * @param name the folder in the cache, which changes with the versions of the packages
 */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string> {
  const known = installing.get(name) ?? install(join(CACHE, name), packages)
  installing.set(name, known)
  return await known
}

async function install(home: string, packages: readonly string[]): Promise<string> {
  const python = join(home, 'bin', 'python')
  if (existsSync(home)) return python
  console.log(`      Installing ${packages.join(', ')} from PyPI into ${home}.`)
  const temporary = `${home}.${process.pid}`
  await mkdir(CACHE, { recursive: true })
  await rm(temporary, { recursive: true, force: true })
  try {
    await makeEnvironment(temporary)
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]
    await runProgram(join(temporary, 'bin', 'python'), pip, 300_000)
    await rename(temporary, home).catch((error: unknown) => {
      // Another process was faster.
      if (!existsSync(home)) throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return python
}

async function makeEnvironment(folder: string): Promise<void> {
  const make = () => runProgram('python3', ['-m', 'venv', folder], 120_000)
  try {
    await make()
  } catch {
    // Debian's python3 lacks the module, until its package is there.
    installPackage('python3-venv')
    await rm(folder, { recursive: true, force: true })
    await make()
  }
}
