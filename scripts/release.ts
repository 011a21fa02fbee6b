import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }

/*
 * Makes a release of the version that package.json has: checks all that a release needs, packs, and tags.
 *
 *   npm run release                  ends at the first step that fails
 *   npm run release -- --dry-run     tries every step but the tag, and tells which fail
 *
 * It pushes and publishes nothing, but says at its end how to.
 */

const ROOT = join(import.meta.dirname, '..')
const { version } = manifest
const tag = `v${version}`
const dry = process.argv.includes('--dry-run')
let failed = 0

await step('the working tree is clean', () => {
  const changes = output('git', 'status', '--porcelain')
  if (changes !== '') throw new Error(`Commit or remove these first:\n${changes}`)
})
await step(`the tag ${tag} is new`, () => {
  if (output('git', 'tag', '--list', tag) !== '') throw new Error(`Raise the version in package.json.`)
})
await step(`CHANGELOG.md begins with ${version}`, async () => {
  const text = await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8')
  const newest = /^## (.*)$/m.exec(text)?.[1]
  if (newest !== version) throw new Error(`Its first heading is "${newest}": write "## ${version}".`)
})
await step('no dependency has a known weakness', () => run('npm', 'audit', '--omit=dev'))
await step('npm run check passes', () => run('npm', 'run', 'check'))
const folder = await mkdtemp(join(tmpdir(), 'particle-release-'))
await step('npm packs it', () => run('npm', 'pack', '--pack-destination', folder))
const tarball = join(folder, (await readdir(folder))[0] ?? '')
if (!dry) await step(`git tags it as ${tag}`, () => run('git', 'tag', '--annotate', tag, '--message', tag))

if (failed > 0) {
  console.error(`\n${failed} of these steps failed. Nothing was tagged.`)
  process.exit(1)
}
console.log(
  `\n${dry ? 'All is ready, and nothing was tagged.' : `Tagged as ${tag}.`} The package is ${tarball}.`,
)
console.log(
  `Then: git push origin ${tag} && npm publish ${tarball}${version.includes('-') ? ' --tag next' : ''}`,
)

/** Runs a step. Where it fails, it tells why, and ends the process unless this is a dry run. */
async function step(name: string, act: () => unknown): Promise<void> {
  try {
    await act()
    console.log(`✔ ${name}`)
  } catch (error) {
    console.error(`✘ ${name}: ${error instanceof Error ? error.message : error}`)
    failed++
    if (!dry) process.exit(1)
  }
}

/** Runs a command whose output the user sees. Throws where it fails. */
function run(command: string, ...args: string[]): void {
  const { status } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed.`)
}

/** Runs a command and returns its output. Throws where it fails. */
function output(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`)
  return stdout.trim()
}
