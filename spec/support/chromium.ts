import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type LaunchOptions } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** Turns the back/forward cache on, which Playwright turns off and users have. */
export const AS_USERS_HAVE_IT: LaunchOptions = { ignoreDefaultArgs: ['--disable-back-forward-cache'] }

/**
 * A headless Chromium: the one of `CHROMIUM_PATH`, else one on the PATH, else Debian's, which it installs where it may.
 * Where there is none, the specs of the context are skipped with the reason; in CI (`CI` is set) they fail.
 */
export async function chromiumOrSkip(context: Mocha.Context, options: LaunchOptions = {}): Promise<Browser> {
  context.timeout(300_000) // on a bare machine it is installed first
  const executablePath = findChromium() ?? installChromium()
  if (executablePath === undefined) {
    const missing = 'There is no Chromium: set CHROMIUM_PATH, or install the package chromium.'
    if (process.env.CI) throw new Error(missing)
    console.log(`      ${missing}`)
    return context.skip()
  }
  return chromium.launch({
    executablePath,
    ...options,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

function findChromium(): string | undefined {
  if (process.env.CHROMIUM_PATH) return process.env.CHROMIUM_PATH
  return NAMES.map(onPath).find((path) => path !== undefined)
}

function installChromium(): string | undefined {
  if (process.getuid?.() !== 0 || !onPath('apt-get')) return undefined
  console.log("      No Chromium found: installing Debian's with apt-get install chromium.")
  try {
    execFileSync('apt-get', ['update', '-q'], { stdio: 'ignore' })
    execFileSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'chromium'], {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  } catch (error) {
    console.log(`      That failed: ${error instanceof Error ? error.message : error}`)
  }
  return findChromium()
}

function onPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
