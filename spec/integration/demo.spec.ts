import { once } from 'node:events'
import { expect } from 'chai'
import type { Browser, Locator, Page } from 'playwright-core'
import { BoardPage } from '../support/board.ts'
import { callApi, type Demo, recordStream, runDemo, startDemo, until } from '../support/demo.ts'
import { sharedBrowser } from '../support/life/browser.ts'

/** Names of fields that a member may not see. The page says that they are hidden; no stream names them. */
const HIDDEN = ['salary', 'email', 'notes']

/** Values of those fields, and the name of a person in another team. */
const SECRETS = ['88000', '67500', '74000', '@', 'Promotion', 'on-call rota', 'Lyon', 'Dag Solberg']

describe('the demo', function () {
  this.timeout(60_000)
  let demo: Demo
  let spare: Promise<Demo> | undefined
  let browser: Browser
  let page: Page
  let board: BoardPage

  before(async function () {
    browser = await sharedBrowser(this)
  })

  beforeEach(async () => {
    // The next one starts while this one is used.
    demo = await (spare ?? startDemo())
    spare = startDemo()
    spare.catch(() => {})
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    board = new BoardPage(page)
    await board.open(demo.url)
  })

  afterEach(async () => {
    await page.close()
    await demo.stop()
  })

  after(async () => {
    await spare?.then((started) => started.stop())
  })

  const pane = (user: string) => board.pane(user)
  const person = (user: string, name: string) => board.person(user, name)
  const todo = (user: string, title: string) => board.todo(user, title)
  const box = (user: string, title: string) => board.box(user, title)
  const gone = (locator: Locator): Promise<void> => locator.waitFor({ state: 'detached' })

  /** All that the pane holds, visible or not: its markup and what stands in its inputs. */
  async function everythingIn(user: string): Promise<string> {
    const values = await pane(user)
      .locator('input, textarea')
      .evaluateAll((inputs) => inputs.map((input) => (input as HTMLInputElement).value).join('\n'))
    return `${await pane(user).innerHTML()}\n${values}`
  }

  function expectNoSecrets(text: string, ...more: string[]) {
    for (const secret of [...SECRETS, ...more]) expect(text).not.to.include(secret)
  }

  it('shows in one pane what is done in the other: to-dos added, ticked and removed', async () => {
    await board.addTodo('ben', 'Ben Ito', 'Draw the icon')
    await todo('ada', 'Draw the icon').waitFor()

    await box('ada', 'Draw the icon').check()
    await until('the tick is seen', () => box('ben', 'Draw the icon').isChecked())

    await todo('ben', 'Draw the icon').getByRole('button').click()
    await gone(todo('ada', 'Draw the icon'))
    await gone(todo('ben', 'Draw the icon'))
  })

  it('shows in one pane what is done in the other: people renamed, added and removed', async () => {
    const name = person('ada', 'Ben Ito').getByLabel('Name', { exact: true })
    await name.fill('Ben Itō')
    await name.press('Enter')
    await person('ben', 'Ben Itō').waitFor()
    expect(await person('ben', 'Ben Itō').locator('.name').textContent()).to.equal('Ben Itō')

    await pane('ada').getByLabel('Name of a new person').fill('Eve Moreau')
    await pane('ada').getByLabel('Name of a new person').press('Enter')
    await person('ben', 'Eve Moreau').waitFor()

    await person('ada', 'Eve Moreau').getByRole('button', { name: 'Remove Eve Moreau' }).click()
    await gone(person('ben', 'Eve Moreau'))
  })

  it('shows a manager every field, and a member none that is not his', async () => {
    expect(await person('ada', 'Ada Okafor').getByLabel('Salary (€)').inputValue()).to.equal('88000')
    expect(await person('ada', 'Ada Okafor').getByLabel('E-mail').inputValue()).to.equal('ada@apollo.example')
    for (const label of ['Salary (€)', 'E-mail', 'Private notes'])
      expect(await pane('ben').getByLabel(label).count(), label).to.equal(0)
    const withheld = await person('ben', 'Ada Okafor').locator('.withheld').textContent()
    expect(withheld).to.equal('Hidden from this member: e-mail, salary, notes')
    expectNoSecrets(await everythingIn('ben'))
  })

  it('opens a team’s people at once to one who joins it, and closes them when he leaves, in his pane alone', async () => {
    expect(await board.team('ben', 'Apollo').getAttribute('aria-pressed')).to.equal('true')
    expect(await board.team('ben', 'Gemini').getAttribute('aria-pressed')).to.equal('false')
    await board.team('ben', 'Gemini').click()
    await person('ben', 'Dag Solberg').waitFor()
    await until(
      'the button is pressed',
      async () => (await board.team('ben', 'Gemini').getAttribute('aria-pressed')) === 'true',
    )
    // Who is in both teams is there once.
    expect((await board.names('ben')).sort()).to.deep.equal([
      'Ada Okafor',
      'Ben Ito',
      'Chloé Martin',
      'Dag Solberg',
    ])

    await board.team('ben', 'Apollo').click()
    await gone(person('ben', 'Ada Okafor'))
    expect((await board.names('ben')).sort()).to.deep.equal(['Chloé Martin', 'Dag Solberg'])
    expect((await board.names('ada')).sort()).to.deep.equal(['Ada Okafor', 'Ben Ito', 'Chloé Martin'])
    // He may not change what he doesn't see.
    const todos = await callApi(
      demo.url,
      'ben',
      'POST',
      `people/${await idOf('Ada Okafor', 'ada', '/staff')}/todos`,
      { title: 'x' },
    )
    expect(todos.status).to.equal(404)

    await board.team('ben', 'Gemini').click()
    await gone(person('ben', 'Dag Solberg'))
    await pane('ben').getByText('Join a team to see its people.').waitFor()
    await board.status('ben', 'Live')
    await board.team('ben', 'Apollo').click()
    await person('ben', 'Ben Ito').waitFor()
    expect(await pane('ben').locator('.nobody').isVisible()).to.equal(false)
  })

  it('never sends a member a hidden field, whatever is done to it', async () => {
    const recorded = await recordStream(demo.url, 'ben')
    for (const [field, value] of [
      ['Salary (€)', '91234'],
      ['E-mail', 'hidden@mail.example'],
      ['Private notes', 'A very private remark'],
      ['Role', 'Captain'],
    ] as const) {
      const input = person('ada', 'Ada Okafor').getByLabel(field)
      await input.fill(value)
      await input.press('Enter')
    }
    await pane('ben').getByText('Captain', { exact: true }).waitFor()
    await callApi(demo.url, 'ada', 'POST', 'people', { name: 'Eve Moreau' })
    await person('ben', 'Eve Moreau').waitFor()
    await until('the recorded stream has it too', () => recorded.text().includes('Eve Moreau'))
    recorded.close()

    expect(recorded.text())
      .to.match(/^event: payload$/m)
      .and.to.match(/^event: delta$/m)
    expect(recorded.text()).to.include('Captain')
    expectNoSecrets(recorded.text(), '91234', 'private remark', ...HIDDEN)
    const wire = (await page.locator('.side[data-user="ben"]').allTextContents()).join('\n')
    expect(wire).to.include('Captain')
    expectNoSecrets(wire, '91234', 'private remark', ...HIDDEN)
    expectNoSecrets(await everythingIn('ben'), '91234', 'private remark')
  })

  it('says that it reconnects while the network is cut, and catches up when it is back', async () => {
    await pane('ben').getByRole('button', { name: 'Cut the network' }).click()
    await board.status('ben', 'Reconnecting…')
    await board.addTodo('ada', 'Chloé Martin', 'While you were out')
    expect(await todo('ben', 'While you were out').count()).to.equal(0)

    await pane('ben').getByRole('button', { name: 'Mend the network' }).click()
    await todo('ben', 'While you were out').waitFor({ timeout: 35_000 })
    await board.status('ben', 'Live')
    expect(await pane('ada').locator('.status-text').textContent()).to.equal('Live')
  })

  it('works by keyboard alone', async () => {
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label'))
    const tabTo = async (label: string) => {
      for (let presses = 0; presses < 80; presses++) {
        await page.keyboard.press('Tab')
        if ((await focused()) === label) return
      }
      throw new Error(`Tab never came to ${label}`)
    }
    await tabTo('New to-do for Ada Okafor')
    await page.keyboard.type('Typed')
    await page.keyboard.press('Enter')
    await todo('ben', 'Typed').waitFor()
    expect(await focused(), 'the focus stays').to.equal('New to-do for Ada Okafor')

    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Space')
    await until('the tick is seen', () => box('ben', 'Typed').isChecked())

    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await gone(todo('ben', 'Typed'))
    expect(await page.evaluate(() => document.activeElement?.tagName), 'the focus is not lost').not.to.equal(
      'BODY',
    )
  })

  it('keeps the focus and what is half typed while changes arrive', async () => {
    const draft = person('ada', 'Ben Ito').getByLabel('New to-do for Ben Ito')
    await draft.fill('Half ty')
    const notes = person('ada', 'Ben Ito').getByLabel('Private notes')
    await notes.focus()
    await page.keyboard.type('Unsaved ')
    await addTodoFromAfar('Ben Ito', 'From afar')
    await todo('ada', 'From afar').waitFor()

    expect(await draft.inputValue()).to.equal('Half ty')
    expect(await notes.inputValue()).to.include('Unsaved')
    expect(await notes.evaluate((element) => element === document.activeElement)).to.equal(true)
  })

  async function addTodoFromAfar(name: string, title: string) {
    const id = await idOf(name)
    expect((await callApi(demo.url, 'ben', 'POST', `people/${id}/todos`, { title })).status).to.equal(201)
  }

  async function idOf(name: string, user = 'ben', path = '/particle'): Promise<string> {
    const recorded = await recordStream(demo.url, user, path)
    await until('the stream is ready', () => recorded.text().includes('event: ready'))
    recorded.close()
    for (const line of recorded.text().split('\n')) {
      if (!line.startsWith('data: ')) continue
      const { data } = JSON.parse(line.slice(6)) as { data?: { _id: string; name?: string }[] }
      const found = Array.isArray(data) ? data.find((document) => document.name === name) : undefined
      if (found) return found._id
    }
    throw new Error(`${name} is not on the board`)
  }

  it('shows text as text, even where it looks like markup', async () => {
    await board.addTodo('ben', 'Ben Ito', '<img src=x onerror="document.title = 1">')
    await todo('ada', '<img src=x').waitFor()
    expect(await page.locator('img').count()).to.equal(0)
  })

  it('refuses what is not allowed or not valid, with a sentence', async () => {
    const id = await idOf('Ben Ito')
    const answers: [status: number, user: string, method: string, path: string, body?: unknown][] = [
      [401, 'eve', 'POST', 'people', { name: 'Eve' }],
      [403, 'ben', 'POST', 'people', { name: 'Eve' }],
      [403, 'ben', 'PATCH', `people/${id}`, { salary: 1 }],
      [403, 'ben', 'DELETE', `people/${id}`],
      [400, 'ada', 'PATCH', `people/${id}`, { salary: 'much' }],
      [400, 'ada', 'PATCH', `people/${id}`, { team: 'gemini' }],
      [400, 'ada', 'PATCH', `people/${id}`, '{"__proto__": {"salary": 1}}'],
      [400, 'ada', 'PATCH', `people/${id}`, {}],
      [400, 'ada', 'POST', 'people', '{"name"'],
      [400, 'ben', 'POST', `people/${id}/todos`, { title: ' ' }],
      [413, 'ben', 'POST', `people/${id}/todos`, { title: 'x'.repeat(20_000) }],
      [404, 'ben', 'PATCH', `people/${id}/todos/none`, { done: true }],
      [404, 'ada', 'DELETE', 'people/none'],
      [404, 'ben', 'PUT', 'teams/none/membership'],
      [401, 'eve', 'DELETE', 'teams/apollo/membership'],
      [404, 'ada', 'GET', 'nothing'],
      [400, 'ada', 'PATCH', 'people/%E0%A4%A', { name: 'Eve' }],
    ]
    for (const [expected, user, method, path, body] of answers) {
      const response = await callApi(demo.url, user, method, path, body)
      const { error } = (await response.json()) as { error: string }
      expect(response.status, `${user} ${method} ${path} ${JSON.stringify(body)}`).to.equal(expected)
      expect(error).to.match(/^[A-Z].*[.?]|^Send/)
      expect(response.headers.get('x-content-type-options')).to.equal('nosniff')
    }
    expect(demo.output()).not.to.contain('    at ')
  })

  it('says so in a sentence when its port is taken', async () => {
    const { child, output } = await runDemo(new URL(demo.url).port)
    const [code] = await once(child, 'exit')
    expect(code).to.equal(1)
    expect(output()).to.match(/Port \d+ is taken by another program\. Choose one that is free/)
  })
})
