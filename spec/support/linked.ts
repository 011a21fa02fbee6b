import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')

/** Makes an empty folder in which a program finds the built package by its name, and the packages named. */
export async function linkedFolder(...packages: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'particle-pages-'))
  await mkdir(join(folder, 'node_modules'))
  await symlink(ROOT, join(folder, 'node_modules', 'particle'))
  for (const name of packages) {
    await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
  return folder
}

/**
 * Names the declarations of the built package for the option `paths` of TypeScript. They are checked in a third of
 * the time of lib/, which `npm run types` checks.
 * @param root the path from the folder of the tsconfig.json to the repository
 */
export function declarationPaths(root: string): Record<string, string[]> {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const subpaths = Object.keys(exports).filter((name) => name !== './package.json')
  return Object.fromEntries(
    subpaths.map((name) => [`particle${name.slice(1)}`, [join(root, exports[name].import.types)]]),
  )
}
