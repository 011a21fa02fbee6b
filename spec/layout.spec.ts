import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..', 'lib')
const LONGEST = 330
const WIDEST = 110

/**
 * What each part may import beside its own files: a folder (`model/`), a file, a package, or `node:` for any of
 * Node's modules. A part is the longest of these names that a file's path begins with. The rooms of `server/`
 * stand in an order in which none imports one below it.
 */
const ARROWS: Record<string, string[]> = {
  'errors.ts': [],
  'model/': ['errors.ts'],
  'policy/': ['errors.ts', 'model/'],
  'protocol/': ['errors.ts', 'model/'],
  // The face of the subpath `particle/protocol`, which offers the pure functions in one place.
  'protocol/index.ts': ['protocol/', 'errors.ts', 'model/', 'policy/'],
  'source/source.ts': ['model/'],
  // What sources that follow a server share.
  'source/backoff.ts': [],
  'source/retry-loop.ts': ['errors.ts', 'source/backoff.ts'],
  'source/rounds.ts': [],
  'source/shared-adapters.ts': ['model/', 'node:'],
  'source/completion.ts': ['model/', 'source/source.ts'],
  // What shares the changes of a source among the processes of a host.
  'source/host/': [
    'errors.ts',
    'model/',
    'source/source.ts',
    'source/report.ts',
    'source/backoff.ts',
    'node:',
  ],
  // What sources share that report changes.
  'source/report.ts': ['source/source.ts'],
  // What sources share that know the document before a change.
  'source/least.ts': ['model/'],
  'source/callbacks': ['errors.ts', 'model/', 'source/source.ts'],
  'source/memory/': ['errors.ts', 'model/', 'policy/', 'source/source.ts', 'source/least.ts'],
  'source/mongo/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'source/shared-adapters.ts',
    'source/host/',
    'source/least.ts',
    'source/backoff.ts',
    'source/report.ts',
    'source/retry-loop.ts',
    'source/completion.ts',
    'mongodb',
  ],
  'source/redis/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'source/shared-adapters.ts',
    'source/least.ts',
    'source/host/',
    'source/backoff.ts',
    'source/report.ts',
    'source/retry-loop.ts',
    'node:',
  ],
  'source/mariadb/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'source/shared-adapters.ts',
    'source/backoff.ts',
    'source/report.ts',
    'source/retry-loop.ts',
    'source/rounds.ts',
    'source/sql/',
    'mysql2',
    '@vlasky/zongji',
    'node:',
  ],
  'source/sql/': ['model/', 'policy/', 'source/source.ts', 'node:'],
  'source/postgres/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'source/shared-adapters.ts',
    'source/host/',
    'source/backoff.ts',
    'source/report.ts',
    'source/rounds.ts',
    'source/sql/',
    'source/retry-loop.ts',
    'source/completion.ts',
    'pg',
    'pg-logical-replication',
    'node:',
  ],
  'server/support/': ['errors.ts', 'node:', 'model/count.ts'],
  'server/options/': [
    'model/',
    'policy/',
    'source/source.ts',
    'source/callbacks',
    'server/support/',
    'node:',
  ],
  'server/hints/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'source/callbacks',
    'server/support/',
    'server/options/',
    'node:',
  ],
  'server/tokens/': ['errors.ts', 'model/', 'protocol/', 'server/options/', 'node:'],
  'server/feed/': [
    'errors.ts',
    'model/',
    'policy/',
    'protocol/',
    'source/source.ts',
    'server/support/',
    'server/options/',
  ],
  'server/view/': [
    'errors.ts',
    'model/',
    'policy/',
    'protocol/',
    'source/source.ts',
    'server/support/',
    'server/feed/',
    'node:',
  ],
  'server/delivery/': [
    'errors.ts',
    'model/',
    'policy/',
    'protocol/',
    'server/support/',
    'server/tokens/',
    'server/feed/',
    'server/view/',
  ],
  'server/registry/': [
    'errors.ts',
    'model/',
    'policy/',
    'protocol/',
    'source/source.ts',
    'source/callbacks',
    'server/support/',
    'server/options/',
    'server/hints/',
    'server/feed/',
    'server/view/',
  ],
  'server/relations/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'server/support/',
    'server/options/',
    'server/hints/',
    'server/feed/',
    'server/view/',
    'server/registry/',
    'node:',
  ],
  'server/auth/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/callbacks',
    'server/support/',
    'server/options/',
    'server/hints/',
    'server/tokens/',
    'server/view/',
    'server/delivery/',
    'server/registry/',
    'server/relations/',
    'node:',
  ],
  'server/sessions/': [
    'errors.ts',
    'model/',
    'protocol/',
    'server/support/',
    'server/options/',
    'server/view/',
    'server/delivery/',
    'server/registry/',
    'server/relations/',
    'server/auth/',
    'node:',
  ],
  'server/inspector/': [
    'errors.ts',
    'model/',
    'protocol/',
    'words/',
    'inspector/',
    'server/support/',
    'server/options/',
    'server/feed/',
    'server/delivery/',
    'server/registry/',
    'server/auth/',
    'server/sessions/',
    'node:',
  ],
  // What carries revocations to all nodes.
  'server/control/': [
    'errors.ts',
    'model/',
    'policy/',
    'source/source.ts',
    'server/support/',
    'server/options/',
    'server/feed/',
    'server/registry/',
    'server/relations/',
    'server/auth/',
    'node:',
  ],
  'server/http/': [
    'errors.ts',
    'model/',
    'protocol/',
    'server/options/',
    'server/hints/',
    'server/delivery/',
    'server/auth/',
    'server/sessions/',
    'node:',
  ],
  // The files that put the rooms together.
  'server/': ['errors.ts', 'model/', 'policy/', 'protocol/', 'server/', 'node:'],
  // The server behind web requests. It needs only a handler of Node's requests.
  'fetch/': ['model/', 'node:'],
  'client/': ['errors.ts', 'model/', 'protocol/'],
  // The panel of a page, a module of its own.
  'client/inspect/': ['model/', 'protocol/', 'client/', 'inspector/', 'words/'],
  // What the bindings of all frameworks share.
  'bindings/': ['errors.ts', 'model/', 'client/'],
  'react/': ['bindings/', 'model/', 'client/', 'react'],
  'vue/': ['bindings/', 'model/', 'client/', 'vue'],
  // The package svelte/reactivity counts as a file of its own.
  'svelte/': ['bindings/', 'model/', 'client/'],
  'solid/': ['bindings/', 'model/', 'client/', 'solid-js'],
  'client/persist/': ['errors.ts', 'model/', 'protocol/', 'client/persistence.ts'],
  'tanstack/': ['errors.ts', 'model/', 'protocol/', 'client/', '@tanstack/db'],
  'metrics/': ['errors.ts', 'model/', 'server/', 'prom-client'],
  'otel/': ['model/', 'server/', '@opentelemetry/api'],
  // The messages of the inspector, and its page.
  'inspector/': [],
  // Sentences for people about what is on the wire.
  'words/': ['model/', 'protocol/'],
  'command/': ['errors.ts', 'model/', 'protocol/', 'source/postgres/', 'client/', 'words/', 'pg', 'node:'],
  // The cases of `particle conformance`, and what runs them.
  'command/conformance/': ['model/', 'protocol/', 'node:'],
  'index.ts': ['errors.ts', 'model/', 'policy/', 'protocol/', 'source/source.ts', 'server/', 'client/'],
}

/** Lists what is wrong with the files of lib, by their paths and texts, in sentences. */
function problemsOf(texts: ReadonlyMap<string, string>, arrows = ARROWS): string[] {
  const imports = new Map([...texts].map(([file, text]) => [file, importsOf(file, text)]))
  return [
    ...[...texts].flatMap(([file, text]) => faultsOf(file, text)),
    ...[...imports].flatMap(([file, targets]) => wrongArrows(file, targets, arrows)),
    ...circlesOf(imports).map((circle) => `${circle.join(', ')} import each other in a circle`),
    ...circlesOf(partsOf(imports, arrows)).map(
      (circle) => `${circle.join(', ')} import each other in a circle`,
    ),
    ...staleRules(imports, arrows),
  ]
}

function faultsOf(file: string, text: string): string[] {
  const problems: string[] = []
  const lines = text.trimEnd().split('\n').length
  if (lines > LONGEST) problems.push(`${file} has ${lines} lines, more than ${LONGEST}`)
  const wide = text.split('\n').findIndex((line) => line.length > WIDEST)
  if (wide >= 0) problems.push(`${file}:${wide + 1} has more than ${WIDEST} columns`)
  if (file.endsWith('/index.ts') && !onlyExports(text)) {
    problems.push(`${file} does more than to re-export`)
  }
  problems.push(...strayLinks(text).map((name) => `${file} links to ${name}, which it does not have`))
  return problems
}

/** Lists the names that comments link to, and that the file neither declares nor imports: such a link is dead. */
function strayLinks(text: string): string[] {
  const words = new Set(withoutComments(text).match(/[\w$]+/g))
  const names = [...text.matchAll(/\{@link\s+([\w$]+)/g)].map(([, name = '']) => name)
  return names.filter((name) => !words.has(name))
}

function wrongArrows(file: string, targets: readonly string[], arrows: typeof ARROWS): string[] {
  const part = longest(Object.keys(arrows), file)
  if (part === undefined) return [`${file} belongs to no part of the layout`]
  const allowed = [...(arrows[part] ?? []), part]
  return targets
    .filter((target) => longest(allowed, target) === undefined)
    .map((target) => `${file} must not import ${target}`)
}

/** Returns which parts the files of each part import: two parts can form a circle where no files do. */
function partsOf(
  imports: ReadonlyMap<string, readonly string[]>,
  arrows: typeof ARROWS,
): Map<string, readonly string[]> {
  const parts = new Map<string, readonly string[]>()
  const partOf = (file: string) => longest(Object.keys(arrows), file) ?? file
  for (const [file, targets] of imports) {
    const part = partOf(file)
    const others = targets.filter((target) => imports.has(target)).map(partOf)
    parts.set(part, [...(parts.get(part) ?? []), ...others.filter((other) => other !== part)])
  }
  return parts
}

/** Lists the parts that no file is of, and the arrows that no import uses. */
function staleRules(imports: ReadonlyMap<string, readonly string[]>, arrows: typeof ARROWS): string[] {
  const used = new Map(Object.keys(arrows).map((part) => [part, new Set<string>()]))
  const inhabited = new Set<string>()
  for (const [file, targets] of imports) {
    const part = longest(Object.keys(arrows), file)
    if (part === undefined) continue
    inhabited.add(part)
    for (const target of targets) {
      const rule = longest([...(arrows[part] ?? []), part], target)
      if (rule !== undefined) used.get(part)?.add(rule)
    }
  }
  return Object.entries(arrows).flatMap(([part, rules]) =>
    inhabited.has(part)
      ? rules.filter((rule) => !used.get(part)?.has(rule)).map((rule) => `No file of ${part} imports ${rule}`)
      : [`No file is of the part ${part}`],
  )
}

/** Finds the files that import each other, also for their types alone: the strongly connected components (Tarjan, 1972). */
function circlesOf(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = []
  const order = new Map<string, number>()
  const path: string[] = []
  /** Returns the earliest file of the path that a file leads back to, by its place in the order. */
  const visit = (file: string): number => {
    const own = order.size
    order.set(file, own)
    path.push(file)
    let earliest = own
    for (const target of imports.get(file) ?? []) {
      if (!imports.has(target)) continue
      if (!order.has(target)) earliest = Math.min(earliest, visit(target))
      else if (path.includes(target)) earliest = Math.min(earliest, order.get(target) ?? own)
    }
    if (earliest === own) {
      const circle = path.splice(path.indexOf(file))
      if (circle.length > 1) circles.push(circle.sort())
    }
    return earliest
  }
  for (const file of imports.keys()) if (!order.has(file)) visit(file)
  return circles
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
  it('has the stated arrows and no others, no circle, short files, no dead links, and index files that only re-export', () => {
    const all = files(ROOT)
    expect(all).to.include.members(['errors.ts', 'model/operation.ts', 'source/source.ts'])
    const texts = new Map(all.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]))
    expect(problemsOf(texts)).to.deep.equal([])
  })

  describe('as this spec reads it', () => {
    const faultsAlone = (file: string, text: string) => [
      ...faultsOf(file, text),
      ...wrongArrows(file, importsOf(file, text), ARROWS),
    ]

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
      ['server/view/view.ts', "import { memory } from '../../source/memory/index.ts'"],
      ['server/view/view.ts', "import {\n  type MongoAdapter,\n} from '../../source/mongo/index.ts'"],
      ['server/view/view.ts', "import { Client } from '../../client/index.ts'"],
      ['server/view/view.ts', "import type { Connection } from '../delivery/connection.ts'"],
      ['server/feed/log.ts', "import type { View } from '../view/view.ts'"],
      ['server/http/middleware.ts', "import type { Server } from '../server.ts'"],
      ['source/memory/store.ts', "import { Server } from '../../server/index.ts'"],
      ['source/memory/store.ts', "import { mongo } from '../mongo/index.ts'"],
      ['source/mongo/stream.ts', "import '../../client/index.ts'"],
      ['source/source.ts', "import { memory } from './memory/index.ts'"],
      ['source/backoff.ts', "import type { Adapter } from './source.ts'"],
      ['server/view/view.ts', "import { Backoff } from '../../source/backoff.ts'"],
      ['command/command.ts', "import { Server } from '../server/index.ts'"],
      ['source/postgres/triggers.ts', "import { run } from '../../command/command.ts'"],
      ['index.ts', "import { memory } from './source/memory/index.ts'"],
      ['errors.ts', "import { x } from './model/id.ts'"],
      ['somewhere/else.ts', 'export const x = 1'],
      ['model/long.ts', 'x\n'.repeat(LONGEST + 1)],
      ['model/wide.ts', 'x'.repeat(WIDEST + 1)],
      ['client/index.ts', "import { x } from './store.ts'\nexport const y = x"],
      ['client/index.ts', 'export const y = 1'],
      ['model/path.ts', '/** As {@link Path.of} does. */\nexport const y = 1'],
    ]
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
      [
        'server/options/options.ts',
        "import { Callbacks } from '../../source/callbacks/index.ts'\nimport http from 'node:http'",
      ],
      ['server/options/options.ts', "import { Callbacks } from '../../source/callbacks.ts'"],
      ['source/mongo/stream.ts', "import { Backoff } from '../backoff.ts'"],
      [
        'source/memory/store.ts',
        "/** Unlike `import { x } from '../../server/index.ts'`. */\nimport { y } from './value.ts'",
      ],
      ['index.ts', "import { Client } from './client/index.ts'\nexport default { Client }"],
      ['model/long.ts', 'x\n'.repeat(LONGEST)],
      ['model/wide.ts', 'x'.repeat(WIDEST)],
      ['model/path.ts', "/** As {@link Id.of} does. */\nimport type { Id } from './id.ts'"],
    ]
    for (const [verb, cases, faults] of [
      ['refuses', refused, 1],
      ['allows', allowed, 0],
    ] as const) {
      for (const [file, text] of cases) {
        it(`${verb} ${JSON.stringify(text.length > 200 ? `${text.length} characters` : text)} in ${file}`, () => {
          expect(faultsAlone(file, text)).to.have.length(faults)
        })
      }
    }

    it('refuses a circle of files, also of types alone', () => {
      const texts = new Map([
        ['a/one.ts', "import type { Two } from './two.ts'"],
        ['a/two.ts', "import { three } from './three.ts'"],
        ['a/three.ts', "import type { One } from './one.ts'"],
        ['a/four.ts', "import { one } from './one.ts'"],
      ])
      expect(problemsOf(texts, { 'a/': [] })).to.deep.equal([
        'a/one.ts, a/three.ts, a/two.ts import each other in a circle',
      ])
    })

    it('refuses a circle of parts of which no files form one', () => {
      const texts = new Map([
        ['a/one.ts', "import { three } from '../b/three.ts'"],
        ['b/three.ts', ''],
        ['b/four.ts', "import { two } from '../a/two.ts'"],
        ['a/two.ts', ''],
      ])
      expect(problemsOf(texts, { 'a/': ['b/'], 'b/': ['a/'] })).to.deep.equal([
        'a/, b/ import each other in a circle',
      ])
    })

    it('refuses a rule that no import uses, and a part that no file is of', () => {
      const texts = new Map([['a/one.ts', "import { x } from '../b/x.ts'"]])
      const arrows = { 'a/': ['b/', 'b/y.ts', 'mingo'], 'c/': [] }
      expect(problemsOf(texts, arrows)).to.deep.equal([
        'No file of a/ imports b/y.ts',
        'No file of a/ imports mingo',
        'No file is of the part c/',
      ])
    })
  })
})
