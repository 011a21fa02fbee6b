import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type LaunchOptions } from 'playwright-core'
import { findOrInstall } from './debian.ts'

/** Names Chromium without its windows and tabs: they take four times the CPU time of the pages in them. */
const SHELL = ['chromium-headless-shell', 'chrome-headless-shell']
/** Names the whole Chromium, which alone has preferences of its user. */
const WHOLE = ['chromium', 'chromium-browser', 'google-chrome']
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

/** Says whether a browser is the whole Chromium, which alone keeps pages in its back/forward cache. */
export type Kind = 'shell' | 'whole'

/**
 * A headless Chromium: the one of `CHROMIUM_PATH`, else one on the PATH, else Debian's, which it installs
 * where it may. A `shell` is Chromium without windows where there is one, else the whole one.
 * Where there is none, the specs of the context are skipped with the reason; in CI (`CI` is set) they fail.
 */
export async function chromiumOrSkip(context: Mocha.Context, kind: Kind = 'shell'): Promise<Browser> {
  const findShell = () => findOrInstall(SHELL, 'chromium-headless-shell') ?? findWhole()
  const executablePath = pathOrSkip(context, kind === 'shell' ? findShell : findWhole)
  // Playwright turns the back/forward cache off, and users have it.
  const ignoreDefaultArgs = kind === 'whole' ? ['--disable-back-forward-cache'] : false
  return await chromium.launch({ executablePath, ignoreDefaultArgs, args: ARGS })
}

/** Launches a whole Chromium, as {@link chromiumOrSkip} does, with preferences of its user, such as for cookies. */
export async function chromiumWithPreferences(
  context: Mocha.Context,
  preferences: object,
  options: LaunchOptions = {},
): Promise<BrowserContext> {
  const executablePath = pathOrSkip(context, findWhole)
  const folder = await mkdtemp(join(tmpdir(), 'particle-chromium-'))
  await mkdir(join(folder, 'Default'))
  await writeFile(join(folder, 'Default', 'Preferences'), JSON.stringify(preferences))
  const args = [...ARGS, ...(options.args ?? [])]
  const browser = await chromium.launchPersistentContext(folder, { executablePath, ...options, args })
  browser.once('close', () => void rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return browser
}

function findWhole(): string | undefined {
  return findOrInstall(WHOLE, 'chromium')
}

function pathOrSkip(context: Mocha.Context, find: () => string | undefined): string {
  context.timeout(300_000) // on a bare machine it is installed first
  const executablePath = process.env.CHROMIUM_PATH || find()
  if (executablePath !== undefined) return executablePath
  const missing = 'There is no Chromium: set CHROMIUM_PATH, or install the package chromium.'
  if (process.env.CI) throw new Error(missing)
  console.log(`      ${missing}`)
  return context.skip()
}
