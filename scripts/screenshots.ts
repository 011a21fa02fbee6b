/** Makes the pictures of the demo that README and docs show, light and dark: `npm run screenshots`, after a build. */

import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { chromium, type Page } from 'playwright-core'
import { BoardPage } from '../spec/support/board.ts'
import { findOrInstall } from '../spec/support/debian.ts'
import { startDemo, until } from '../spec/support/demo.ts'

const FOLDER = fileURLToPath(new URL('../docs/images', import.meta.url))
const SIZES = { board: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } }

const shell = ['chromium-headless-shell', 'chrome-headless-shell', 'chromium']
const executablePath = process.env.CHROMIUM_PATH || findOrInstall(shell, 'chromium-headless-shell')
if (!executablePath)
  throw new Error('There is no Chromium: set CHROMIUM_PATH, or install the package chromium.')

await mkdir(FOLDER, { recursive: true })
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
try {
  for (const colorScheme of ['light', 'dark'] as const)
    for (const [name, viewport] of Object.entries(SIZES)) {
      const demo = await startDemo()
      const page = await browser.newPage({ viewport, colorScheme, reducedMotion: 'reduce' })
      await new BoardPage(page).open(demo.url)
      await showChange(page, name === 'board')
      await page.screenshot({ path: `${FOLDER}/${name}-${colorScheme}.png` })
      await page.close()
      await demo.stop()
    }
} finally {
  await browser.close()
}

/** Changes a salary, which only the manager gets, and waits until the page has said so. */
async function showChange(page: Page, opensDrawer: boolean): Promise<void> {
  if (opensDrawer) await page.locator('.drawer-bar').click()
  const salary = new BoardPage(page).person('ada', 'Ada Okafor').getByLabel('Salary (€)')
  await salary.fill('91000')
  await salary.press('Enter')
  await salary.blur()
  const latest = page.locator('.latest')
  await until('the bar says it', async () => /member nothing/.test((await latest.textContent()) ?? ''))
  if (!opensDrawer) await page.locator('.tab', { hasText: 'Ben' }).click()
  await page.waitForFunction(() => document.getAnimations().length === 0)
}
