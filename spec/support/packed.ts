import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const ROOT = join(import.meta.dirname, '..', '..')
export const run = promisify(execFile)

let packed: Promise<string> | undefined

/** Packs the built package as `npm publish` would, once for all specs of this process; returns the tarball's path. */
export function pack(): Promise<string> {
  packed ??= packInto(mkdtempSync(join(tmpdir(), 'particle-packed-')))
  return packed
}

async function packInto(folder: string): Promise<string> {
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  if (!existsSync(join(ROOT, 'dist', 'index.cjs'))) throw new Error('Build first: npm run build')
  // Without scripts, so that the build which other specs run is left as it is.
  await npm(ROOT, 'pack', '--ignore-scripts', '--silent', '--pack-destination', folder)
  const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
  if (tarball === undefined) throw new Error(`npm pack left no tarball in ${folder}`)
  return join(folder, tarball)
}

/** Installs packages into a folder. */
export async function install(folder: string, ...packages: string[]): Promise<void> {
  // By a prefix, since npm would go up to a folder that has node_modules, as others may leave in /tmp.
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--prefix', '.']
  await npm(folder, 'install', ...packages, ...quiet)
}

async function npm(cwd: string, ...args: string[]): Promise<void> {
  // What `npm test` sets for its own scripts is nothing for an npm of another folder.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')))
  await run('npm', args, { cwd, env, shell: process.platform === 'win32' })
}

/** What a failed program wrote, else the error. */
export function outputOf(error: unknown): string {
  const { stdout, stderr } = error as { stdout?: string; stderr?: string }
  return `${stdout ?? ''}${stderr ?? ''}` || String(error)
}
