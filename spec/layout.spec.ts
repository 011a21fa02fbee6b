import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..', 'lib')
const LONGEST = 320

/**
 * What each part may import beside its own files: a folder (`model/`), a file, a package, or `node:` for any of Node's modules.
 * A part is the longest of these names that a file's path begins with.
 */
const ARROWS: Record<string, string[]> = {
  'errors.ts': [],
  'model/': ['errors.ts'],
  'policy/': ['errors.ts', 'model/'],
  'protocol/': ['errors.ts', 'model/'],
  // The face of the subpath `particle/protocol`, which offers the pure functions in one place.
  'protocol/index.ts': ['protocol/', 'errors.ts', 'model/', 'policy/'],
  'source/source.ts': ['errors.ts', 'model/'],
  // What sources that follow a server share.
  'source/backoff.ts': [],
  'source/callbacks': ['errors.ts', 'model/', 'policy/', 'source/source.ts'],
  'source/memory/': ['errors.ts', 'model/', 'policy/', 'source/source.ts'],
  'source/mongo/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'source/backoff.ts',
    'mongodb',
    'node:',
  ],
  'source/redis/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'source/backoff.ts',
    'redis',
    'ioredis',
    'node:',
  ],
  'source/postgres/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'source/backoff.ts',
    'pg',
    'pg-logical-replication',
    'node:',
  ],
  'server/': [
    'errors.ts',
    'model/',
    'policy/',
    'protocol/',
    'source/source.ts',
    'source/callbacks',
    'jose',
    'node:',
    'express',
  ],
  'client/': ['errors.ts', 'model/', 'protocol/', 'eventsource-parser'],
  'command/': ['errors.ts', 'source/postgres/', 'pg', 'node:'],
  'bindings/': ['client/', 'errors.ts', 'model/', 'protocol/', 'react', 'vue', 'svelte'],
  'index.ts': ['errors.ts', 'model/', 'policy/', 'protocol/', 'source/source.ts', 'server/', 'client/'],
}

/** What is wrong with a file of lib, in sentences. */
function problemsOf(file: string, text: string): string[] {
  const part = longest(Object.keys(ARROWS), file)
  if (part === undefined) return [`${file} belongs to no part of the layout`]
  const allowed = [...(ARROWS[part] ?? []), part]
  const problems = importsOf(file, text)
    .filter((target) => longest(allowed, target) === undefined)
    .map((target) => `${file} must not import ${target}`)
  const lines = text.trimEnd().split('\n').length
  if (lines > LONGEST) problems.push(`${file} has ${lines} lines, more than ${LONGEST}`)
  if (file.endsWith('/index.ts') && !onlyExports(text)) {
    problems.push(`${file} does more than to re-export`)
  }
  return problems
}

/** What a file imports: packages by their names, files by their paths in lib. */
function importsOf(file: string, text: string): string[] {
  const code = withoutComments(text)
  const statements = /\b(?:import|export)\b[^'"`;()]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*['"]([^'"]+)['"]/g
  const calls = /\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/g
  const found = [...code.matchAll(statements), ...code.matchAll(calls)].map(
    (match) => match[1] ?? match[2] ?? '',
  )
  return found.map((name) => (name.startsWith('.') ? slashed(join(dirname(file), name)) : name))
}

function longest(names: readonly string[], path: string): string | undefined {
  const fitting = names.filter((name) => {
    if (name.endsWith('/') || name.endsWith(':')) return path.startsWith(name)
    // A package by its name or its subpath, a file by its name, and `source/callbacks` as a file or a folder.
    return path === name || path.startsWith(`${name}/`) || path === `${name}.ts`
  })
  return fitting.sort((a, b) => b.length - a.length)[0]
}

function onlyExports(text: string): boolean {
  const rest = withoutComments(text).replace(
    /\bexport\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s*from\s*['"][^'"]+['"];?/g,
    '',
  )
  return rest.trim() === ''
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

function slashed(path: string): string {
  return path.split(sep).join('/')
}

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => slashed(relative(folder, join(entry.parentPath, entry.name))))
    .sort()
}

describe('The layout of lib', () => {
  it('has arrows that run one way only, short files, and index files that only re-export', () => {
    const all = files(ROOT)
    expect(all).to.include.members(['errors.ts', 'model/operation.ts', 'source/source.ts'])
    const problems = all.flatMap((file) => problemsOf(file, readFileSync(join(ROOT, file), 'utf8')))
    expect(problems).to.deep.equal([])
  })

  describe('as this spec reads it', () => {
    const refused: [file: string, text: string][] = [
      ['model/path.ts', "import { randomUUID } from 'node:crypto'"],
      ['model/path.ts', "import type { Manifest } from '../policy/manifest.ts'"],
      ['model/path.ts', "import { Query } from 'mingo'"],
      ['policy/criteria.ts', "import { x } from '../protocol/messages.ts'"],
      ['policy/criteria.ts', "import fs from 'fs'"],
      ['protocol/encode.ts', "export { filterDelta } from '../policy/manifest.ts'"],
      ['client/store.ts', "import { EventSource } from 'eventsource'"],
      ['client/store.ts', "import { Server } from '../server/index.ts'"],
      ['client/store.ts', "const fs = await import('node:fs')"],
      ['server/view.ts', "import { memory } from '../source/memory/index.ts'"],
      ['server/view.ts', "import {\n  type MongoAdapter,\n} from '../source/mongo/index.ts'"],
      ['server/view.ts', "import { Client } from '../client/index.ts'"],
      ['source/memory/store.ts', "import { Server } from '../../server/index.ts'"],
      ['source/memory/store.ts', "import { mongo } from '../mongo/index.ts'"],
      ['source/mongo/stream.ts', "import '../../client/index.ts'"],
      ['source/source.ts', "import { memory } from './memory/index.ts'"],
      ['source/backoff.ts', "import type { Adapter } from './source.ts'"],
      ['server/view.ts', "import { Backoff } from '../source/backoff.ts'"],
      ['command/command.ts', "import { Server } from '../server/index.ts'"],
      ['source/postgres/triggers.ts', "import { run } from '../../command/command.ts'"],
      ['index.ts', "import { memory } from './source/memory/index.ts'"],
      ['errors.ts', "import { x } from './model/id.ts'"],
      ['somewhere/else.ts', 'export const x = 1'],
      ['model/long.ts', 'x\n'.repeat(LONGEST + 1)],
      ['client/index.ts', "import { x } from './store.ts'\nexport const y = x"],
      ['client/index.ts', 'export const y = 1'],
    ]
    for (const [file, text] of refused) {
      it(`refuses ${JSON.stringify(text.length > 200 ? `${text.length} characters` : text)} in ${file}`, () => {
        expect(problemsOf(file, text)).to.have.length(1)
      })
    }

    const allowed: [file: string, text: string][] = [
      ['source/mongo/read.ts', "import { ObjectId } from 'mongodb/lib/bson'"],
      [
        'protocol/index.ts',
        "// All of it.\nexport { filterDelta } from '../policy/manifest.ts'\nexport * from './encode.ts'",
      ],
      [
        'protocol/index.ts',
        "export type { Json } from '../model/document.ts'\nexport type * from './messages.ts'",
      ],
      ['client/event-stream.ts', "import { createParser } from 'eventsource-parser'"],
      [
        'server/server.ts',
        "import { Callbacks } from '../source/callbacks/index.ts'\nimport http from 'node:http'",
      ],
      ['server/server.ts', "import { Callbacks } from '../source/callbacks.ts'"],
      ['source/mongo/stream.ts', "import { Backoff } from '../backoff.ts'"],
      [
        'source/memory/store.ts',
        "/** Unlike `import { x } from '../../server/index.ts'`. */\nimport { y } from './value.ts'",
      ],
      ['index.ts', "import { Client } from './client/index.ts'\nexport default { Client }"],
      ['model/long.ts', 'x\n'.repeat(LONGEST)],
    ]
    for (const [file, text] of allowed) {
      it(`allows ${JSON.stringify(text.length > 200 ? `${text.length} characters` : text)} in ${file}`, () => {
        expect(problemsOf(file, text)).to.deep.equal([])
      })
    }
  })
})
