import axe from 'axe-core'
import { expect } from 'chai'
import type { Browser, Locator, Page } from 'playwright-core'
import { BoardPage } from '../support/board.ts'
import { callApi, type Demo, startDemo, until } from '../support/demo.ts'
import { sharedBrowser } from '../support/life/browser.ts'

const PHONE = { width: 390, height: 844 }
const LAPTOP = { width: 1280, height: 800 }

describe("the demo's page", function () {
  this.timeout(60_000)
  let demo: Demo
  let browser: Browser
  let page: Page
  let board: BoardPage

  before(async function () {
    browser = await sharedBrowser(this)
  })

  beforeEach(async () => {
    demo = await startDemo()
    page = await browser.newPage({ viewport: LAPTOP })
    board = new BoardPage(page)
  })

  afterEach(async () => {
    await page.close()
    await demo.stop()
  })

  const bar = () => page.getByRole('button', { name: /On the wire/ })
  const tab = (user: string) => page.locator('.tab').filter({ hasText: user })
  const textOf = async (locator: Locator) => (await locator.textContent()) ?? ''

  async function boxOf(locator: Locator) {
    const box = await locator.boundingBox()
    if (!box) throw new Error('The element has no box: it is not shown')
    return { ...box, bottom: box.y + box.height }
  }

  /** Changes a field as the manager does, in the page. */
  async function edit(name: string, label: string, value: string): Promise<void> {
    const input = board.person('ada', name).getByLabel(label)
    await input.fill(value)
    await input.press('Enter')
  }

  describe('on a phone', () => {
    beforeEach(async () => {
      await page.setViewportSize(PHONE)
      await board.open(demo.url)
    })

    it('shows one view at a time, and counts in a badge the changes of the other', async () => {
      expect(await board.pane('ben').isVisible()).to.equal(false)
      const added = await callApi(demo.url, 'ben', 'POST', 'people/ben-ito/todos', { title: 'From afar' })
      expect(added.status).to.equal(201)
      await until('the badge counts', async () => (await textOf(tab('Ben').locator('.badge'))) === '1 change')
      await tab('Ben').click()
      expect(await board.todo('ben', 'From afar').isVisible()).to.equal(true)
      expect(await board.pane('ada').isVisible()).to.equal(false)
      expect(await tab('Ben').locator('.badge').isVisible()).to.equal(false)
    })

    it('has nothing to scroll sideways, also with a long word on 360 pixels', async () => {
      await page.setViewportSize({ width: 360, height: 740 })
      await board.addTodo('ada', 'Ben Ito', `Long${'g'.repeat(100)}`)
      await bar().click()
      const widths = ['html', '.stage', '.events'].map((selector) =>
        page.locator(selector).evaluate((element) => element.scrollWidth - element.clientWidth),
      )
      expect(await Promise.all(widths)).to.deep.equal([0, 0, 0])
    })
  })

  for (const [name, size] of Object.entries({ phone: PHONE, laptop: LAPTOP })) {
    it(`keeps the wire in a drawer that covers nothing on a ${name}, open or closed`, async () => {
      await page.setViewportSize(size)
      await board.open(demo.url)
      for (const isOpen of [false, true]) {
        expect(await page.locator('.events').isVisible()).to.equal(isOpen)
        const stage = await boxOf(page.locator('.stage'))
        const drawer = await boxOf(page.locator('.drawer'))
        expect(stage.bottom).to.be.at.most(drawer.y + 1)
        expect(drawer.bottom).to.be.at.most(size.height + 1)
        if (!isOpen) expect(drawer.height / size.height).to.be.below(0.12)
        await bar().click()
      }
    })
  }

  it('says on both cards, in the bar and on the wire what a change was for whom', async () => {
    await board.open(demo.url)
    await edit('Ben Ito', 'Salary (€)', '70000')
    const sentence = 'salary changed: the manager got 1 operation, the member nothing'
    for (const user of ['ada', 'ben'])
      await until(
        `the card of ${user} says it`,
        async () => (await textOf(board.person(user, 'Ben Ito').locator('.note'))) === sentence,
      )
    expect(await textOf(page.locator('.latest'))).to.equal(sentence)
    const row = page.locator('.event').first()
    expect(await textOf(row.locator('.sentence'))).to.equal(sentence)
    expect(await textOf(row.locator('[data-user="ada"] .op'))).to.equal('set salary 70000 only here')
    expect(await textOf(row.locator('[data-user="ben"]'))).to.equal('nothing')

    await edit('Ben Ito', 'Role', 'Captain')
    const both = 'role changed: the manager got 1 operation, the member 1 operation'
    await until('both got it', async () => (await textOf(page.locator('.latest'))) === both)
    expect(await row.locator('.only').count()).to.equal(0)
  })

  it('draws operations that add, change and remove in colours of their own', async () => {
    await board.open(demo.url)
    await board.addTodo('ben', 'Ben Ito', 'Draw the icon')
    await board.box('ben', 'Draw the icon').check()
    await board.person('ada', 'Chloé Martin').getByRole('button', { name: 'Remove Chloé Martin' }).click()
    await until('three changes', async () => (await page.locator('.event[data-event="delta"]').count()) === 3)
    await bar().click()
    const colours = await page
      .locator('.side[data-user="ada"] .op b')
      .evaluateAll((words) => words.map((word) => getComputedStyle(word).color))
    expect(new Set(colours).size).to.equal(3)
  })

  it('marks the people that one view alone has', async () => {
    await board.open(demo.url)
    await board.team('ben', 'Gemini').click()
    const dag = board.person('ben', 'Dag Solberg')
    await dag.waitFor()
    await until('it is marked', async () => /unshared/.test((await dag.getAttribute('class')) ?? ''))
    await board.team('ada', 'Gemini').click()
    await until('it is no more', async () => !/unshared/.test((await dag.getAttribute('class')) ?? ''))
  })

  it('takes a right away while one watches: the private fields go, the stream stays, and come back with the right', async () => {
    await board.open(demo.url)
    const ben = board.person('ada', 'Ben Ito')
    const salary = ben.getByLabel('Salary (€)')
    const right = page.getByRole('checkbox', { name: 'Right to private fields' })
    await right.uncheck()
    await salary.waitFor({ state: 'detached' })
    const withheld = await textOf(ben.locator('.withheld'))
    expect(withheld).to.equal('Hidden from this manager: e-mail, salary, notes')
    await board.status('ada', 'Live')
    const refused = await callApi(demo.url, 'ada', 'PATCH', 'people/ben-ito', { salary: 1 })
    expect(refused.status).to.equal(403)
    expect(await page.locator('.event[data-event="manifest"] [data-user="ada"] details').count()).to.equal(1)

    await right.check()
    await salary.waitFor()
    expect(await salary.inputValue()).to.equal('67500')
    expect((await callApi(demo.url, 'ben', 'PUT', 'rights/private', { granted: true })).status).to.equal(403)
  })

  it('resumes after a cut of the network, and compares its bytes with those of a full load', async () => {
    await board.open(demo.url)
    await board.pane('ben').getByRole('button', { name: 'Cut the network' }).click()
    await board.status('ben', 'Reconnecting…')
    await edit('Ben Ito', 'Role', 'Captain')
    const cut = 'role changed: the manager got 1 operation, the member is cut off'
    await until('the bar says it', async () => (await textOf(page.locator('.latest'))) === cut)

    await board.pane('ben').getByRole('button', { name: 'Mend the network' }).click()
    const line = board.pane('ben').locator('.resume p')
    await until('the line says it', async () => (await textOf(line)).startsWith('Resumed'))
    const [resumed = 0, full = 0] = (await textOf(line)).match(/[\d,]+(?= bytes)/g)?.map(toNumber) ?? []
    expect(resumed).to.be.above(0).and.below(full)
    expect(await textOf(board.person('ben', 'Ben Ito').locator('.role'))).to.equal('Captain')
    expect(await board.pane('ada').locator('.resume').isVisible()).to.equal(false)
  })

  it('shares its streams with another window, and hands them on when it closes', async () => {
    const context = await browser.newContext()
    const first = await context.newPage()
    const board = new BoardPage(first)
    await board.open(demo.url)
    const streams: string[] = []
    context.on('request', (request) => request.url().includes('/stream') && streams.push(request.url()))
    const [popup] = await Promise.all([
      first.waitForEvent('popup'),
      first.getByRole('link', { name: 'Open another window' }).click(),
    ])
    const other = new BoardPage(popup)
    for (const user of ['ada', 'ben']) {
      await other.status(user, 'Live')
      await other.pane(user).getByText('Shares the stream of another window').waitFor()
    }
    expect(streams).to.deep.equal([])
    await board.addTodo('ben', 'Ben Ito', 'Seen by two windows')
    await other.todo('ada', 'Seen by two windows').waitFor()
    await other.person('ada', 'Ben Ito').locator('.note').waitFor()

    await first.close()
    await until('the other opens its own', () => streams.length >= 2)
    await other.addTodo('ada', 'Ben Ito', 'After the first')
    await other.todo('ben', 'After the first').waitFor()
    await other.pane('ben').getByText('Shares the stream').waitFor({ state: 'hidden' })
    await context.close()
  })

  it('shows 10,000 rows that change, with the frames a second', async () => {
    await board.open(demo.url)
    expect(await textOf(page.locator('.rates'))).to.include('Move the slider')
    await page.getByLabel('Changes a second').fill('2000')
    const rates = async () => (await textOf(page.locator('.rates'))).match(/\d[\d,]*/g)?.map(toNumber) ?? []
    await until('the rows change, and are drawn', async () => {
      const [frames = 0, , changed = 0] = await rates()
      return frames >= 5 && changed >= 200 && changed <= 4000
    })
    expect((await callApi(demo.url, 'ada', 'PUT', 'rate', { rate: 10_001 })).status).to.equal(400)
  })

  it('shows which fields can be edited, and checks what is typed before it is sent', async () => {
    await board.open(demo.url)
    const calls: string[] = []
    page.on('request', (request) => request.method() === 'PATCH' && calls.push(request.url()))
    const ben = board.person('ada', 'Ben Ito')
    const wrong = { 'Salary (€)': 'much', 'E-mail': 'nowhere', Name: ' ' }
    for (const [label, value] of Object.entries(wrong)) {
      const input = ben.getByLabel(label, { exact: true })
      expect(await input.evaluate((element) => getComputedStyle(element).borderBottomColor)).not.to.match(
        /, 0\)$/,
      )
      const before = await input.inputValue()
      await input.fill(value)
      await input.press('Enter')
      expect(await input.getAttribute('aria-invalid'), label).to.equal('true')
      const hint = await input.evaluate((element) => element.getAttribute('aria-describedby') ?? '')
      expect(await textOf(page.locator(`[id="${hint}"]`))).to.match(/^[A-Z].*\.$/)
      await input.press('Escape')
      expect(await input.getAttribute('aria-invalid')).to.equal('false')
      expect(await input.inputValue()).to.equal(before)
    }
    expect(calls).to.deep.equal([])
    await edit('Ben Ito', 'Salary (€)', '70,500')
    await until('it is sent', () => calls.length === 1)
  })

  it('has controls of 40 pixels where a finger points', async () => {
    const context = await browser.newContext({ viewport: PHONE, hasTouch: true, isMobile: true })
    const touched = await context.newPage()
    try {
      await new BoardPage(touched).open(demo.url)
      const small = await touched
        .locator(
          'button:visible, input:visible:not([type="checkbox"]), textarea:visible, label:visible, summary:visible',
        )
        .evaluateAll((controls) =>
          controls
            .filter((control) => control.getBoundingClientRect().height < 40)
            .map((control) => `${control.className} ${control.getBoundingClientRect().height}`),
        )
      expect(small).to.deep.equal([])
    } finally {
      await context.close()
    }
  })

  it('shows the code that makes it, of the files themselves', async () => {
    await board.open(demo.url)
    const samples = page.locator('.sample')
    await until('both are there', async () => (await samples.locator('code:not(:empty)').count()) === 2)
    for (const sample of await samples.all()) {
      const link = sample.getByRole('link')
      const file = await fetch(new URL((await link.getAttribute('href')) ?? '', demo.url))
      expect(file.headers.get('content-type')).to.match(/^text\/plain/)
      const text = await file.text()
      const lines = (await textOf(sample.locator('code'))).split('\n').filter((line) => line.trim())
      expect(lines.length).to.be.above(5).and.below(20)
      for (const line of lines) expect(text).to.include(line.trim())
    }
    for (const path of ['/source/.env', '/source/../package.json', '/source/public/none.js'])
      expect((await fetch(new URL(path, demo.url))).status, path).to.equal(404)
  })

  for (const colorScheme of ['light', 'dark'] as const)
    it(`has no serious fault of accessibility in ${colorScheme} colours, by axe-core`, async () => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await board.open(demo.url)
      await edit('Ben Ito', 'Salary (€)', '70000')
      await bar().click()
      for (const size of [LAPTOP, PHONE]) {
        await page.setViewportSize(size)
        // The colour of a change lasts for a moment, and its contrast is not the one that stays.
        await page.waitForFunction(() => document.getAnimations().length === 0)
        expect(await seriousFaults(page)).to.deep.equal([])
      }
    })
})

function toNumber(text: string): number {
  return Number(text.replaceAll(',', ''))
}

/** Lists the serious and the critical findings of axe-core, with the elements that they are about. */
async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run({ resultTypes: ['violations'] }),
  )
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} ${failureSummary}`).join(', ')}`,
    )
}
