import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import { type MinifyOptions, minify } from 'terser'

const ROOT = join(import.meta.dirname, '..')
const CLIENT = join(ROOT, 'lib', 'client')
const FOLDER = join(ROOT, 'dist', 'browser')

/** Lists the browser's modules by their addresses, with their entries in `lib/client`. */
const ENTRIES: Record<string, string> = {
  'client.js': 'index.ts',
  'client/inspect.js': 'inspect/index.ts',
  'client/share.js': 'share/index.ts',
  'client/persist.js': 'persist/index.ts',
}

/** Names the modules whose classes a page must have once. The other modules import these from `client.js`. */
const SINGLE = [join(ROOT, 'lib', 'errors.ts'), join(CLIENT, 'client.ts'), join(CLIENT, 'index.ts')]

/** The settings of each build for browsers. */
const SETTINGS = {
  absWorkingDir: ROOT,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  logLevel: 'warning',
} as const

/** The settings for the smallest code. A getter may have an effect: that of a list brings it up to date. */
const SMALLER: MinifyOptions = { module: true, ecma: 2020, compress: { passes: 3, pure_getters: false } }

/** Builds one module of the browser. Modules import each other by relative addresses, under any path. */
export async function browserModule(name: string): Promise<{
  code: Uint8Array
  inputs: string[]
  imports: string[]
}> {
  const addresses = new Map(Object.entries(ENTRIES).map(([other, entry]) => [join(CLIENT, entry), other]))
  if (name !== 'client.js') for (const path of SINGLE) addresses.set(path, 'client.js')
  const up = '../'.repeat(name.split('/').length - 1) || './'
  const apart: Plugin = {
    name: 'apart',
    setup({ onResolve }) {
      onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir }) => {
        const address = addresses.get(join(resolveDir, path))
        return address === undefined || address === name ? null : { path: up + address, external: true }
      })
    },
  }
  const { outputFiles, metafile } = await build({
    ...SETTINGS,
    entryPoints: [join(CLIENT, ENTRIES[name] ?? '')],
    write: false,
    metafile: true,
    plugins: [apart],
  })
  const [file] = outputFiles
  if (!file) throw new Error(`esbuild wrote nothing for ${name}`)
  const [output] = Object.values(metafile.outputs)
  // Makes the code smaller by 3% than esbuild does alone.
  const { code = '' } = await minify(file.text, SMALLER)
  return {
    code: new TextEncoder().encode(code),
    inputs: Object.keys(metafile.inputs),
    imports: output?.imports.map(({ path }) => path) ?? [],
  }
}

/** Returns the names of the browser's modules that exist. */
export function browserModules(): string[] {
  return Object.keys(ENTRIES).filter((name) => existsSync(join(CLIENT, ENTRIES[name] ?? '')))
}

/**
 * Writes the browser's modules to `dist/browser`, and `modules.json` for the server: the hash that all modules
 * share, and each module compressed by brotli and gzip, in base64. One file has all, since a bundler such as
 * webpack takes single files along, and no folders.
 */
export async function buildBrowser(): Promise<void> {
  const hash = createHash('sha256')
  const modules: Record<string, { br: string; gzip: string }> = {}
  for (const name of browserModules()) {
    const { code } = await browserModule(name)
    hash.update(code)
    const file = join(FOLDER, name)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, code)
    const params = { [constants.BROTLI_PARAM_SIZE_HINT]: code.length }
    modules[name] = {
      br: brotliCompressSync(code, { params }).toString('base64'),
      gzip: gzipSync(code, { level: 9 }).toString('base64'),
    }
  }
  // The inspector's page carries its script.
  const page = join(ROOT, 'lib', 'inspector', 'page', 'main.ts')
  await build({ ...SETTINGS, entryPoints: [page], outfile: join(FOLDER, 'inspector.js') })
  const index = { hash: hash.digest('hex').slice(0, 16), modules }
  await writeFile(join(FOLDER, 'modules.json'), `${JSON.stringify(index)}\n`)
}

if (process.argv[1] === import.meta.filename) await buildBrowser()
