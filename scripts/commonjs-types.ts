import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import manifest from '../package.json' with { type: 'json' }

/**
 * Writes the `.d.cts` of each subpath, by which CommonJS modules take the types of the ES module.
 * Node gives both kinds of modules the same classes, so TypeScript must not know two of each.
 */
const ROOT = join(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')

const declarations = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.d.ts'))
  .map((name) => readFileSync(join(DIST, name), 'utf8'))
  .join('\n')

/** Declares one exported value, and its type too where it is a class. */
function declarationOf(name: string): string {
  if (name === 'default') return 'declare const fallback: typeof all.default\nexport default fallback\n'
  const value = `export declare const ${name}: typeof all.${name}\n`
  const found = new RegExp(`declare class ${name}\\b(<.*>)?`).exec(declarations)
  if (!found) return value
  const parameters = (found[1] ?? '').replaceAll('const ', '').replace(/(extends|=) (?=[A-Z])/g, '$1 all.')
  const given = parameters.replace(/ (?:extends|=) [^,>]+/g, '')
  return `${value}export type ${name}${parameters} = all.${name}${given}\n`
}

const subpaths = JSON.stringify(manifest.exports).match(/[^"]+(?=\.d\.cts")/g) ?? []
for (const subpath of new Set(subpaths)) {
  const origin = `'./${basename(subpath)}.js' with { 'resolution-mode': 'import' }`
  const values = Object.keys(await import(pathToFileURL(join(ROOT, `${subpath}.js`)).href))
  const heads = `import type * as all from ${origin}\nexport type * from ${origin}\n`
  writeFileSync(join(ROOT, `${subpath}.d.cts`), heads + values.map(declarationOf).join(''))
}
