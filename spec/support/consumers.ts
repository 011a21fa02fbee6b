import { createHash } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { copyFile, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { install, outputOf, pack, ROOT, run } from './packed.ts'

const PROJECTS = join(ROOT, 'spec', 'consumers', 'projects')
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

let tools: Promise<string> | undefined
let root: Promise<string> | undefined

/**
 * A project with the files of `spec/consumers/projects/<name>`.
 * Where the tools can't be installed (no network), the specs of the context are skipped with the reason; in CI they fail.
 */
export async function projectOrSkip(context: Mocha.Context, name: string): Promise<Project> {
  context.timeout(400_000) // on a bare machine the tools are installed first
  tools ??= findTools()
  const found = await tools.catch((error: unknown) => {
    if (process.env.CI) throw error
    console.log(
      `      The tools can't be installed: ${outputOf(error).trim().split('\n').slice(0, 4).join('; ')}`,
    )
    return context.skip()
  })
  root ??= installPackage(found)
  const folder = join(await root, name)
  await cp(join(PROJECTS, name), folder, { recursive: true })
  return projectIn(folder, found)
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

/** The folder that has the tools; installs them where they are not there yet. */
async function findTools(): Promise<string> {
  const list = await readFile(join(PROJECTS, 'package.json'), 'utf8')
  const hash = createHash('sha256').update(`${process.version} ${list}`).digest('hex').slice(0, 12)
  const folder = join(CACHE, hash)
  if (!existsSync(folder)) await installTools(folder)
  return folder
}

/** Installs the packed package below the tools; returns the folder that projects go to, which ends with this process. */
async function installPackage(tools: string): Promise<string> {
  await mkdir(join(tools, 'runs'), { recursive: true })
  const folder = await mkdtemp(join(tools, 'runs', 'run-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  await writeFile(join(folder, 'package.json'), '{ "private": true }')
  await copyFile(join(PROJECTS, 'live.cjs'), join(folder, 'live.cjs'))
  await install(folder, await pack())
  return folder
}

async function installTools(folder: string): Promise<void> {
  console.log(`      The consumers are being installed into ${folder}.`)
  await mkdir(CACHE, { recursive: true })
  // Under another name until all is there: another run may be about to do the same.
  const builder = await mkdtemp(join(CACHE, 'builder-'))
  try {
    await copyFile(join(PROJECTS, 'package.json'), join(builder, 'package.json'))
    await install(builder)
    await rename(builder, folder).catch((error) => {
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(builder, { recursive: true, force: true })
  }
}

/** What `live.cjs` returns where all is well. */
export const LIVE = JSON.stringify({
  data: { users: [{ _id: 1, name: 'Eva' }] },
  script: true,
  middleware: true,
  error: true,
})
