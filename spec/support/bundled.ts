import { readFileSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

const ROOT = join(import.meta.dirname, '..', '..')
const CACHE = join(ROOT, 'node_modules', '.cache', 'particle-programs')

const bundles = new Map<string, Promise<string>>()

/**
 * Bundles a TypeScript program once, and resolves to the file that Node runs as it is. A start by tsx costs
 * up to 1 s more of CPU time, since it reads each module by itself.
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
  const plugins = [ownPackage, ownPlaces]
  await build({
    ...options,
    plugins,
    entryPoints: [program],
    packages: 'external',
    outfile,
    logLevel: 'error',
  })
  return outfile
}

/** Names the built package by its files, since it has no name below node_modules. */
const ownPackage: Plugin = {
  name: 'own package',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^particle(\/|$)/ }, ({ path }) => {
      const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
      return { path: join(ROOT, exports[`.${path.slice('particle'.length)}`].import.default), external: true }
    })
  },
}

/** Keeps what modules know of their places, by which they find files beside them. */
const ownPlaces: Plugin = {
  name: 'own places',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const contents = text
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)))
      return { contents, loader: 'ts' }
    })
  },
}
