import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'particle-programs')

const bundles = new Map<string, Promise<string>>()

/**
 * Bundles a program of spec/ once, and resolves to the file that Node runs as it is. A start by tsx costs 1 s more of
 * CPU time, since it reads each module of lib/ by itself.
 */
export function bundled(program: string): Promise<string> {
  const known = bundles.get(program) ?? bundle(program)
  bundles.set(program, known)
  return known
}

async function bundle(program: string): Promise<string> {
  // Below node_modules, where the packages are found, and by process, since lanes run side by side.
  const outfile = join(CACHE, `${process.pid}-${bundles.size}.mjs`)
  process.once('exit', () => rmSync(outfile, { force: true }))
  const options = { bundle: true, platform: 'node', format: 'esm', target: 'node20' } as const
  await build({ ...options, entryPoints: [program], packages: 'external', outfile, logLevel: 'error' })
  return outfile
}
