import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Lets the lanes install one after the other: apt-get fails at once where another holds its lists. */
const LOCK = join(tmpdir(), 'particle-apt-get.lock')
const INSTALL = `dpkg --status "$1" ||
  { apt-get update -q && apt-get install -y -q --no-install-recommends "$1"; }`

/**
 * Finds the first of these programs on the PATH; else it installs a package of Debian's, where it may (root),
 * and looks again.
 */
export function findOrInstall(names: readonly string[], packageName: string): string | undefined {
  const found = onPath(names)
  if (found !== undefined) return found
  installPackage(packageName)
  return onPath(names)
}

/** Keeps the packages that this process tried to install, since a second try takes long to fail as well. */
const tried = new Set<string>()

/** Installs a package of Debian's, where this process may; says so, and what went wrong. */
export function installPackage(name: string): void {
  if (process.getuid?.() !== 0 || onPath(['apt-get']) === undefined || tried.has(name)) return
  tried.add(name)
  console.log(`      Installing Debian's ${name} with apt-get install ${name}.`)
  // Where the package is of a server, the installation must not start it: the run level prevents that.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  try {
    execFileSync('flock', [LOCK, 'sh', '-c', INSTALL, 'sh', name], { stdio: 'ignore', env })
  } catch (error) {
    console.log(`      That failed: ${error instanceof Error ? error.message : error}`)
  }
}

function onPath(names: readonly string[]): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
