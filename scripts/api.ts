import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Writes docs/reference/api.md: every exported name of every subpath, with the first sentence of its comment.
 * TypeDoc would do more, but needs TypeScript 6 or older.
 */
const ROOT = join(import.meta.dirname, '..')
const PAGE = 'docs/reference/api.md'
const SUBPATHS = {
  particle: 'index.ts',
  'particle/client': 'client/index.ts',
  'particle/client/inspect': 'client/inspect/index.ts',
  'particle/client/persist': 'client/persist/index.ts',
  'particle/client/share': 'client/share/index.ts',
  'particle/protocol': 'protocol/index.ts',
  'particle/memory': 'source/memory/index.ts',
  'particle/mongo': 'source/mongo/index.ts',
  'particle/postgres': 'source/postgres/index.ts',
  'particle/mariadb': 'source/mariadb/index.ts',
  'particle/redis': 'source/redis/index.ts',
  'particle/fetch': 'fetch/index.ts',
  'particle/react': 'react/index.ts',
  'particle/vue': 'vue/index.ts',
  'particle/svelte': 'svelte/index.ts',
  'particle/solid': 'solid/index.ts',
  'particle/tanstack': 'tanstack/index.ts',
  'particle/metrics': 'metrics/index.ts',
  'particle/otel': 'otel/index.ts',
}
const HEAD = `# Exports

Use this page to look up what each subpath of the package exports. \`npm run docs:api\` makes this page from the
comments in the code, and your editor shows the whole comments. Names with _type_ exist in TypeScript alone.
`

interface Export {
  name: string
  original: string
  file: string
  isType: boolean
}

/** Lists what a module exports, with the file that a name comes from. */
async function exportsOf(file: string): Promise<Export[]> {
  const text = await readFile(file, 'utf8')
  const imports = new Map<string, { from: string; original: string }>()
  for (const [, names = '', from = ''] of text.matchAll(/^import (?:type )?\{([^}]*)\} from '([^']+)'/gms)) {
    for (const { name, original } of namesOf(names)) imports.set(name, { from, original })
  }
  const found: Export[] = []
  for (const [, type, names = '', from] of text.matchAll(
    /^export (type )?\{([^}]*)\}(?: from '([^']+)')?/gms,
  )) {
    for (const { name, original, isType } of namesOf(names)) {
      const imported = imports.get(name)
      const path = from ?? imported?.from
      found.push({
        name,
        original: from ? original : (imported?.original ?? name),
        file: path ? join(dirname(file), path) : file,
        isType: type !== undefined || isType,
      })
    }
  }
  return found
}

function namesOf(list: string): { name: string; original: string; isType: boolean }[] {
  return list
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
    .map((entry) => {
      const [original = '', name = original] = entry.replace(/^type /, '').split(' as ')
      return { name, original, isType: entry.startsWith('type ') }
    })
}

/** Reads the first sentence of the comment above a name; follows the name through modules that hand it on. */
async function sentenceOf({ original, file }: Pick<Export, 'original' | 'file'>): Promise<string> {
  const text = await readFile(file, 'utf8')
  const declaration = new RegExp(
    `/\\*\\*((?:(?!\\*/).)*)\\*/\\s*export (?:default )?(?:abstract )?(?:declare )?(?:async )?(?:class|function|const|interface|type) ${original}\\b`,
    's',
  )
  const local = new RegExp(`/\\*\\*((?:(?!\\*/).)*)\\*/\\s*const ${original}\\b`, 's')
  const comment = (declaration.exec(text) ?? local.exec(text))?.[1]
  if (comment !== undefined) return firstSentence(comment)
  const next = (await exportsOf(file)).find(({ name, file: from }) => name === original && from !== file)
  return next ? sentenceOf(next) : ''
}

function firstSentence(comment: string): string {
  const plain = comment
    .replace(/^\s*\*/gm, '')
    .replace(/\{@link (\w+)\}/g, '`$1`')
    .replace(/^\s*@\w+.*/ms, '')
    .replace(/\s+/g, ' ')
    .trim()
  // Skips what stands in backquotes: a colon or a full stop there ends no sentence.
  return (/^(?:`[^`]*`|[^`])*?[.:](?= |$)/.exec(plain)?.[0] ?? plain)
    .replace(/:$/, '.')
    .replaceAll('|', '\\|')
}

/** Gives the text of the page. */
export async function apiPage(): Promise<string> {
  const parts = [HEAD]
  for (const [subpath, index] of Object.entries(SUBPATHS)) {
    parts.push(`## ${subpath}\n\n| name | meaning |\n| --- | --- |`)
    const found = await exportsOf(join(ROOT, 'lib', index))
    found.sort((a, b) => Number(a.isType) - Number(b.isType) || (a.name < b.name ? -1 : 1))
    for (const entry of found) {
      parts.push(`| \`${entry.name}\`${entry.isType ? ' _type_' : ''} | ${await sentenceOf(entry)} |`)
    }
    parts.push('')
  }
  return parts.join('\n')
}

if (process.argv[1] === import.meta.filename) await writeFile(join(ROOT, PAGE), await apiPage())
