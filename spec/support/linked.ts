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
