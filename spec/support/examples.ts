import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import type { BrowserContext } from 'playwright-core'
import { eventually } from './http.ts'
import { eachContext } from './life/browser.ts'
import { ROOT } from './packed.ts'
import { freePort, type Program, startProgram } from './process.ts'
import { type Project, Projects } from './projects.ts'

const FOLDER = join(ROOT, 'examples')

/** A package.json of an example. */
export interface ExamplePackage {
  name: string
  scripts: Record<string, string>
  dependencies: Record<string, string>
}

/** Lists the folders of the examples. */
export function exampleNames(): string[] {
  const entries = readdirSync(FOLDER, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

/** Reads the package.json of an example. */
export function packageOf(name: string): ExamplePackage {
  return JSON.parse(readFileSync(join(FOLDER, name, 'package.json'), 'utf8'))
}

/**
 * Merges the dependencies of all examples into one package.json, so that one `npm install` serves them all.
 *
 * @throws Error when two examples want different versions of a package
 */
export function mergedPackage(): string {
  const all = new Map<string, string>()
  for (const name of exampleNames()) {
    for (const [dependency, version] of Object.entries(packageOf(name).dependencies)) {
      const other = all.get(dependency)
      if (other !== undefined && other !== version)
        throw new Error(`The examples want ${dependency} in the versions ${other} and ${version}: take one.`)
      all.set(dependency, version)
    }
  }
  all.delete('particle')
  const dependencies = Object.fromEntries([...all].sort())
  return JSON.stringify({ private: true, dependencies })
}

const EXAMPLES = new Projects(FOLDER, { list: async () => mergedPackage() })

/** Copies an example to where its imports are found: see {@link Projects.projectOrSkip}. */
export async function exampleOrSkip(context: Mocha.Context, name: string): Promise<Project> {
  return EXAMPLES.projectOrSkip(context, name)
}

/** An example that runs. */
export interface RunningExample {
  /** Without a trailing slash. */
  readonly origin: string
  readonly program: Program
}

/** Runs an example for a suite, and gives each test a context of the browser. `take` is told of both first. */
export function eachVisitOf(
  name: string,
  take: (context: BrowserContext, example: RunningExample) => void,
): void {
  let example: RunningExample
  before(async function () {
    example = await startExample(await exampleOrSkip(this, name), name)
  })
  after(() => example?.program.stop())
  eachContext((context) => take(context, example))
}

/** Runs `npm start` of an example on a free port, and waits until it answers. */
export async function startExample(
  project: Project,
  name: string,
  env: NodeJS.ProcessEnv = {},
): Promise<RunningExample> {
  const port = await freePort()
  const program = runScript(project, packageOf(name).scripts.start ?? '', { PORT: String(port), ...env })
  const origin = `http://localhost:${port}`
  let answered = false
  const ask = () =>
    fetch(origin, { redirect: 'manual' }).then(
      ({ status }) => {
        answered ||= status < 500 // a proxy answers 502 before its nodes do
      },
      () => {},
    )
  const asking = setInterval(ask, 100)
  try {
    await eventually(() => answered || program.child.exitCode !== null, `${name} answers`, 60_000)
    if (!answered) throw new Error(`${name} ended: ${program.output()}`)
  } catch (error) {
    await program.stop('SIGKILL')
    throw new Error(`${name} does not answer: ${program.output()}`, { cause: error })
  } finally {
    clearInterval(asking)
  }
  return { origin, program }
}

/** Runs a script of a package.json in the folder of a project, as npm does: with the commands of the tools on the PATH. */
export function runScript(project: Project, script: string, env: NodeJS.ProcessEnv = {}): Program {
  const bin = join(project.tools, 'node_modules', '.bin')
  const path = `${bin}:${process.env.PATH}`
  const options = { cwd: project.folder, env: { ...process.env, PATH: path, ...env } }
  // By `exec`, so that a signal reaches the program and not the shell before it.
  return startProgram('sh', ['-c', script.replace(/(^|&& )(?!.*&& )/, '$1exec ')], options)
}

/**
 * Creates a database of an example's own on a MongoDB server, with its collections, and returns its address.
 * mongoose creates the collections of all models at once, beside the first write. SecantusDB then hangs for ever
 * now and then (a `create` and an upsert of one collection, at full load), which MongoDB does not.
 */
export async function createDatabase(
  server: string,
  name: string,
  collections: readonly string[],
): Promise<string> {
  const url = new URL(server)
  url.pathname = `/${name}_${process.pid}`
  const client = await MongoClient.connect(url.href)
  try {
    for (const collection of collections) await client.db().createCollection(collection)
  } finally {
    await client.close()
  }
  return url.href
}
