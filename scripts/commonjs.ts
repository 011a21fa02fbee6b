import { readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { build, type Plugin } from 'esbuild'
import manifest from '../package.json' with { type: 'json' }

/** Writes a CommonJS module (`.cjs`) beside each ES module of `dist`, since Jest can't `require` an ES module. */
const DIST = join(import.meta.dirname, '..', 'dist')

/** Keeps the modules apart, so that all subpaths share one `ParticleError`, whichever is loaded first. */
const separate: Plugin = {
  name: 'separate',
  setup({ onResolve }) {
    onResolve({ filter: /^\.{1,2}\// }, ({ path, importer }) =>
      importer.includes('node_modules') ? null : { path: path.replace(/\.js$/, '.cjs'), external: true },
    )
    onResolve({ filter: /^[a-z@]/ }, ({ path, kind }) =>
      kind === 'entry-point' ? null : { path, external: true },
    )
  },
}

const names = (await readdir(DIST, { recursive: true })).filter((name) => name.endsWith('.js'))
await build({
  // The browser's script is built for itself, and the command is started by Node.
  entryPoints: names.filter((name) => !/^(?:browser|command)\b/.test(name)).map((name) => join(DIST, name)),
  outdir: DIST,
  outbase: DIST,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'neutral',
  target: 'node20',
  // A CommonJS module has no `import.meta`.
  define: { 'import.meta.url': 'here' },
  inject: [join(import.meta.dirname, 'here.js')],
  logLevel: 'warning',
  plugins: [separate],
})

// CommonJS modules take the declarations of the ES module. Node gives both kinds of modules the same classes, so TypeScript
// must not know two of each. By Node 16's rules that is an error, which @ts-expect-error takes away.
for (const entry of Object.values(manifest.exports)) {
  if (typeof entry === 'string') continue
  const names = ['*']
  // `*` leaves the default out; attw takes a module for one of a default alone, unless another name is there to be seen.
  if (entry === manifest.exports['.']) names.push('{ default, middleware }')
  const lines = names.map(
    (name) => `// @ts-ignore\nexport ${name} from './${basename(entry.import.default)}'\n`,
  )
  await writeFile(join(DIST, '..', entry.require.types), lines.join(''))
}
