import { createHash } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { copyFile, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { install, outputOf, pack, ROOT, run } from './packed.ts'

/** Holds the tools, some 800 MB, for all check-outs and runs: they are installed once for each list of versions. */
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'particle-consumers')

/** A project of a user's, in a folder of its own, with the packed package installed and the tools found above it. */
export interface Project {
  readonly folder: string
  /** The folder whose `node_modules` has the tools. */
  readonly tools: string
  /** Writes a file. */
  write(name: string, text: string): Promise<void>
  /** Runs `node` or the command of a tool; resolves to what it wrote, rejects with what it wrote where it fails. */
  run(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string>
}

/** What projects have in common. */
export interface ProjectsOptions {
  /** Lists the tools of all projects: the text of a package.json. */
  list(): Promise<string>
  /** Files that are copied beside the projects. */
  shared?: readonly string[]
}

/** Makes projects below one installation of their tools and of the packed package. */
export class Projects {
  readonly #folder: string
  readonly #options: ProjectsOptions
  #tools: Promise<string> | undefined
  #root: Promise<string> | undefined

  /** @param folder has the files of each project in a folder of its name */
  constructor(folder: string, options: ProjectsOptions) {
    this.#folder = folder
    this.#options = options
  }

  /**
   * Copies the files of a project. Where the tools can't be installed (no network), the specs of the context
   * are skipped with the reason; in CI they fail.
   */
  async projectOrSkip(context: Mocha.Context, name: string): Promise<Project> {
    context.timeout(400_000) // on a bare machine the tools are installed first
    this.#tools ??= this.#findTools()
    const tools = await this.#tools.catch((error: unknown) => {
      if (process.env.CI) throw error
      const reason = outputOf(error).trim().split('\n').slice(0, 4).join('; ')
      console.log(`      The tools can't be installed: ${reason}`)
      return context.skip()
    })
    this.#root ??= this.#installPackage(tools)
    const folder = join(await this.#root, name)
    const ours = (file: string) => basename(file) !== 'node_modules'
    await cp(join(this.#folder, name), folder, { recursive: true, filter: ours })
    return projectIn(folder, tools)
  }

  /** Returns the folder that has the tools; installs them where they are not there yet. */
  async #findTools(): Promise<string> {
    const list = await this.#options.list()
    const hash = createHash('sha256').update(`${process.version} ${list}`).digest('hex').slice(0, 12)
    const folder = join(CACHE, hash)
    if (!existsSync(folder)) await installTools(folder, list)
    return folder
  }

  /** Unpacks the package below the tools; returns the folder of projects, which ends with this process. */
  async #installPackage(tools: string): Promise<string> {
    await mkdir(join(tools, 'runs'), { recursive: true })
    const folder = await mkdtemp(join(tools, 'runs', 'run-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
    await writeFile(join(folder, 'package.json'), '{ "private": true }')
    for (const name of this.#options.shared ?? [])
      await copyFile(join(this.#folder, name), join(folder, name))
    await unpack(folder)
    return folder
  }
}

/** Puts the packed package and its dependencies where `npm install` would, which spec/integration/package.spec.ts tries. */
async function unpack(folder: string): Promise<void> {
  const own = join(folder, 'node_modules', 'particle')
  await mkdir(own, { recursive: true })
  await run('tar', ['-xzf', await pack(), '-C', own, '--strip-components=1'])
  const { dependencies } = JSON.parse(await readFile(join(own, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies ?? {}))
    await cp(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true })
}

function projectIn(folder: string, tools: string): Project {
  return {
    folder,
    tools,
    write: async (name, text) => {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), text)
    },
    run: async (command, args, env) => {
      const program = command === 'node' ? process.execPath : join(tools, 'node_modules', '.bin', command)
      const options = { cwd: folder, env: { ...process.env, ...env }, timeout: 180_000, maxBuffer: 2 ** 24 }
      return run(program, [...args], { ...options, shell: process.platform === 'win32' }).then(
        ({ stdout, stderr }) => stdout + stderr,
        (error) => Promise.reject(new Error(outputOf(error))),
      )
    },
  }
}

async function installTools(folder: string, list: string): Promise<void> {
  console.log(`      The tools of these specs are being installed into ${folder}.`)
  await mkdir(CACHE, { recursive: true })
  // Under another name until all is there: another run may be about to do the same.
  const builder = await mkdtemp(join(CACHE, 'builder-'))
  try {
    await writeFile(join(builder, 'package.json'), list)
    await install(builder)
    await rename(builder, folder).catch((error) => {
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(builder, { recursive: true, force: true })
  }
}
