import { readdirSync } from 'node:fs'
import { join, sep } from 'node:path'

/** A part of the specs, which runs in a process of its own. */
export interface Lane {
  name: string
  /** Lists files and folders (these with a slash at their end), from the repository's root. */
  paths: readonly string[]
  /** Runs while no other lane does, since its specs measure time or memory. */
  alone?: true
  /** Runs in CI, or when named: it takes long, and nothing runs beside it. */
  inCi?: true
}

/** A lane, and the files that it runs. */
export interface Part extends Lane {
  files: readonly string[]
}

const ROOT = join(import.meta.dirname, '..')

/**
 * Lists the lanes in the order in which they start: those that run alone, then the longest first. A file
 * belongs to the lane with the longest path that fits it, so a new file needs no line here.
 */
export const LANES: readonly Lane[] = [
  {
    name: 'measured',
    alone: true,
    paths: ['spec/integration/guard.spec.ts', 'spec/bindings/frames.spec.ts'],
  },
  { name: 'chaos', alone: true, inCi: true, paths: ['spec/chaos/'] },
  {
    name: 'browser',
    paths: [
      'spec/bindings/',
      'spec/react/',
      ...['demo', 'demo.page', 'demo.sources', 'burst'].map((name) => `spec/integration/${name}.spec.ts`),
    ],
  },
  { name: 'life', paths: ['spec/life/'] },
  { name: 'postgres', paths: ['spec/source/postgres/', 'spec/command/'] },
  { name: 'mariadb', paths: ['spec/source/mariadb/', 'spec/life/mariadb.spec.ts'] },
  { name: 'mongo', paths: ['spec/source/mongo/'] },
  { name: 'unit', paths: ['spec/'] },
  { name: 'integration', paths: ['spec/integration/'] },
  {
    name: 'tabs',
    paths: ['loads', 'deploy', 'offline', 'tabs.persist', 'tabs.share'].map(
      (name) => `spec/life/${name}.spec.ts`,
    ),
  },
  { name: 'consumers', paths: ['spec/consumers/', 'spec/integration/package.spec.ts'] },
  {
    name: 'nodes',
    paths: [
      ...['clocks', 'closing', 'control', 'control.sources', 'draining', 'nodes', 'outage', 'resume'],
      ...['moments.sources', 'reached.sources', 'unchanged.sources', 'takeover', 'nginx', 'http2.nginx'],
    ].map((name) => `spec/integration/${name}.spec.ts`),
  },
  {
    // Apart, since each of their collections takes as long as the heap of the process is large.
    name: 'garbage',
    paths: [
      ...['connections', 'middlewares', 'slow', 'watch'].map((name) => `integration/${name}`),
      ...['delivery/snapshot-readings', 'feed/log', 'http/body', 'registry/views'].map(
        (name) => `server/${name}`,
      ),
    ].map((name) => `spec/${name}.spec.ts`),
  },
  { name: 'mongo-law', paths: ['spec/source/mongo/law.spec.ts'] },
  { name: 'examples', paths: ['spec/examples/'] },
  { name: 'redis', paths: ['spec/source/redis/', 'spec/server/feed/bounded.spec.ts'] },
  { name: 'hostile', paths: ['spec/hostile/', 'spec/docs.spec.ts', 'spec/example.spec.ts'] },
  { name: 'soak', paths: ['spec/integration/soak.spec.ts', 'spec/integration/halfopen.spec.ts'] },
  { name: 'python', paths: ['spec/python/'] },
  { name: 'cluster', paths: ['spec/integration/cluster.spec.ts'] },
  {
    name: 'law',
    paths: [
      'integration/law',
      'integration/relations.law',
      'integration/rights.law',
      'integration/rights.resume.law',
      'source/callbacks/law',
    ].map((name) => `spec/${name}.spec.ts`),
  },
  { name: 'bench', paths: ['spec/integration/bench.spec.ts'] },
  { name: 'conformance', paths: ['spec/conformance/'] },
]

/** Lists the spec files of the repository, from its root, sorted by name. */
export function specFiles(): string[] {
  return readdirSync(join(ROOT, 'spec'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.spec.ts'))
    .map((name) => `spec/${name.split(sep).join('/')}`)
    .sort()
}

/** Gives each lane its files. Throws for a file without a lane, and for a path of a lane without a file. */
export function assign(files: readonly string[], lanes: readonly Lane[] = LANES): Part[] {
  const owners = files.map((file) => ownerOf(file, lanes))
  const homeless = files.filter((_, index) => owners[index] === undefined)
  if (homeless.length > 0) throw new Error(`No lane runs ${homeless.join(', ')}: add it in scripts/lanes.ts.`)
  const stale = lanes
    .flatMap(({ paths }) => paths)
    .filter((path) => !owners.some((owner) => owner?.path === path))
  if (stale.length > 0) throw new Error(`There is no spec for ${stale.join(', ')}: mend scripts/lanes.ts.`)
  return lanes.map((lane) => ({ ...lane, files: files.filter((_, index) => owners[index]?.lane === lane) }))
}

function ownerOf(file: string, lanes: readonly Lane[]): { lane: Lane; path: string } | undefined {
  return lanes
    .flatMap((lane) => lane.paths.map((path) => ({ lane, path })))
    .filter(({ path }) => (path.endsWith('/') ? file.startsWith(path) : file === path))
    .sort((a, b) => b.path.length - a.path.length)[0]
}
