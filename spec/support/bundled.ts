import { rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

const ROOT = join(import.meta.dirname, '..', '..')
const CACHE = join(ROOT, 'node_modules', '.cache', 'particle-programs')
const FOLDER = join(CACHE, String(process.pid))

const bundles = new Map<string, Promise<string>>()

/**
 * Bundles a TypeScript program once, and resolves to the file that Node runs as it is. A start by tsx costs
 * up to 1 s more of CPU time, and half of that the loading of packages, since each module is read by itself.
 */
export function bundled(program: string): Promise<string> {
  const known = bundles.get(program) ?? bundle(program)
  bundles.set(program, known)
  return known
}

async function bundle(program: string): Promise<string> {
  if (bundles.size === 0) process.once('exit', () => rmSync(FOLDER, { recursive: true, force: true }))
  const name = basename(program, extname(program))
  // By process, since lanes run side by side, and by number, since several programs may have one name.
  const outdir = join(FOLDER, String(bundles.size))
  await build({
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // An import() is read when it is called, as in the program: a demo without a database loads no driver.
    splitting: true,
    plugins: [ownPackage, ownPlaces],
    entryPoints: [program],
    outdir,
    outExtension: { '.js': '.mjs' },
    banner: { js: REQUIRE },
    external: DRIVERS,
    logLevel: 'error',
  })
  return join(outdir, `${name}.mjs`)
}

/** Gives packages that are CommonJS what they ask for in an ES module. */
const REQUIRE = `import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`

/**
 * Lists packages that are left out. A bundle may hold one of them twice, as an ES module and as CommonJS, and
 * neither then takes the values of the other.
 */
const DRIVERS = ['bson', 'mongodb', 'mongoose', 'pg', 'pg-logical-replication', 'redis']

/** Finds the built package by its name, as its users do. */
const ownPackage: Plugin = {
  name: 'own package',
  setup: ({ onResolve, resolve }) => {
    onResolve({ filter: /^particle(\/|$)/ }, ({ path, kind, pluginData }) =>
      pluginData === ownPackage
        ? undefined
        : resolve(path, { kind, resolveDir: ROOT, pluginData: ownPackage }),
    )
  },
}

/** Keeps what modules know of their places, by which they find files beside them. */
const ownPlaces: Plugin = {
  name: 'own places',
  setup: ({ onLoad }) => {
    onLoad({ filter: /(\.ts|\/dist\/.*\.js)$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const contents = text
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)))
      return { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' }
    })
  },
}
