import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { CandidateName } from './candidate.ts'

interface GoProgram {
  package: string
  version: string
  /** The Go version that it needs, where that is later than the one of many machines. */
  toolchain?: string
}

const PROGRAMS = {
  mercure: { package: 'github.com/dunglas/mercure/caddy/mercure', version: 'latest' },
  centrifugo: { package: 'github.com/centrifugal/centrifugo/v6', version: 'v6.9.1' },
  pocketbase: {
    package: 'github.com/pocketbase/pocketbase/examples/base',
    version: 'v0.40.4',
    toolchain: 'go1.27.3',
  },
} as const satisfies Partial<Record<CandidateName, GoProgram>>

export type GoProgramName = keyof typeof PROGRAMS

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'particle-bench')

/** Returns the file of a program, which {@link buildGoProgram} has made. */
export function goProgram(name: GoProgramName): string {
  return join(CACHE, `${name}-${PROGRAMS[name].version}`)
}

/**
 * Builds a candidate that is written in Go, where it is not in the cache yet. Returns why it can't be had, if so.
 *
 * @param builds whether to build, which takes minutes
 */
export function buildGoProgram(name: CandidateName, builds: boolean): string | undefined {
  if (!(name in PROGRAMS)) return undefined
  const known = name as GoProgramName
  const file = goProgram(known)
  if (existsSync(file)) return undefined
  if (!existsSync('/proc/self/stat')) return 'its CPU time is read from /proc, which is not there'
  const go = ['go', '/usr/local/go/bin/go'].find((each) => spawnSync(each, ['version']).status === 0)
  if (!go) return 'there is no Go to build it with'
  if (!builds) return 'it is not built yet: a run without --quick does that'
  return build(go, PROGRAMS[known], file)
}

/** Builds within a module of its own, since `go install` refuses programs whose go.mod replaces modules. */
function build(go: string, program: GoProgram, file: string): string | undefined {
  console.error(`Building ${program.package} ${program.version} into ${file}`)
  const folder = `${file}.${process.pid}`
  mkdirSync(folder, { recursive: true })
  const env = { ...process.env, ...(program.toolchain ? { GOTOOLCHAIN: program.toolchain } : {}) }
  const steps = [
    ['mod', 'init', 'particle.bench'],
    ['get', `${program.package}@${program.version}`],
    ['build', '-o', 'program', program.package],
  ]
  try {
    for (const step of steps) {
      const { status, stderr } = spawnSync(go, step, { cwd: folder, env, encoding: 'utf8' })
      if (status !== 0) return `go ${step.join(' ')}: ${stderr.trim().split('\n').slice(-2).join(' ')}`
    }
    renameSync(join(folder, 'program'), file)
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
