import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type LaunchOptions } from 'playwright-core'
import { findOrInstall } from './debian.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Turns the back/forward cache on, which Playwright turns off and users have. */
export const AS_USERS_HAVE_IT: LaunchOptions = { ignoreDefaultArgs: ['--disable-back-forward-cache'] }

/**
 * A headless Chromium: the one of `CHROMIUM_PATH`, else one on the PATH, else Debian's, which it installs
 * where it may.
 * Where there is none, the specs of the context are skipped with the reason; in CI (`CI` is set) they fail.
 */
export async function chromiumOrSkip(context: Mocha.Context, options: LaunchOptions = {}): Promise<Browser> {
  const executablePath = chromiumPathOrSkip(context)
  return await chromium.launch({ executablePath, ...options, args: [...ARGS, ...(options.args ?? [])] })
}

/**
 * Launches the Chromium of {@link chromiumOrSkip} with preferences of its user, such as which cookies it
 * takes.
 */
export async function chromiumWithPreferences(
  context: Mocha.Context,
  preferences: object,
  options: LaunchOptions = {},
): Promise<BrowserContext> {
  const executablePath = chromiumPathOrSkip(context)
  const folder = await mkdtemp(join(tmpdir(), 'particle-chromium-'))
  await mkdir(join(folder, 'Default'))
  await writeFile(join(folder, 'Default', 'Preferences'), JSON.stringify(preferences))
  const args = [...ARGS, ...(options.args ?? [])]
  const browser = await chromium.launchPersistentContext(folder, { executablePath, ...options, args })
  browser.once('close', () => void rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return browser
}

function chromiumPathOrSkip(context: Mocha.Context): string {
  context.timeout(300_000) // on a bare machine it is installed first
  const executablePath = process.env.CHROMIUM_PATH || findOrInstall(NAMES, 'chromium')
  if (executablePath !== undefined) return executablePath
  const missing = 'There is no Chromium: set CHROMIUM_PATH, or install the package chromium.'
  if (process.env.CI) throw new Error(missing)
  console.log(`      ${missing}`)
  return context.skip()
}
