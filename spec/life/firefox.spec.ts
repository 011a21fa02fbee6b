import { type Firefox, firefoxOrSkip } from '../support/firefox.ts'
import { type App, startApp } from '../support/life/app.ts'
import { settles } from '../support/life/tab.ts'

const ANN = ['ann 1', 'ann 2']
const BEN = ['ben 1', 'ben 2']

describe('A day in Firefox', function () {
  this.timeout(60_000)
  let firefox: Firefox
  let app: App

  before(async function () {
    firefox = await firefoxOrSkip(this)
  })
  beforeEach(async () => {
    app = await startApp()
  })
  afterEach(async () => {
    await firefox.goto('about:blank')
    await app.stop()
  })
  after(async () => await firefox?.close())

  async function login(name: string): Promise<void> {
    await firefox.goto(app.url)
    await firefox.read(
      `document.forms[0].name.value = '${name}'; document.forms[0].password.value = '${name}-secret'; document.forms[0].submit()`,
    )
  }

  /** Waits until the page is live for this user and shows these notes, by one stream. */
  async function shows(user: string, notes: string[]): Promise<void> {
    const texts = "[...document.querySelectorAll('#notes li')].map((item) => item.textContent).sort()"
    const shown = `JSON.stringify([document.querySelector('#user')?.textContent, document.querySelector('#status')?.textContent, ${texts}])`
    await settles(() => firefox.read(shown), JSON.stringify([user, 'ready', notes]), `the page of ${user}`)
    await settles(() => app.server.stats().connections, 1, 'the streams')
  }

  it('loads, reloads, walks links back and forth, and changes users, with one stream at a time', async () => {
    const notes = [...ANN]
    const write = async () => {
      notes.push(`ann ${notes.length + 1}`)
      await app.notes.insert({ _id: `ann${notes.length}`, owner: 'ann', text: `ann ${notes.length}` })
    }
    await login('ann')
    await shows('ann', notes)
    for (let page = 1; page <= 8; page++) {
      await firefox.goto(`${app.url}pages/${page}`)
      await shows('ann', notes)
    }
    for (let steps = 0; steps < 5; steps++) {
      await write()
      await firefox.step(-1)
      await shows('ann', notes)
    }
    for (let loads = 0; loads < 10; loads++) await firefox.reload()
    await write()
    await shows('ann', [...notes].sort())
    await firefox.read("document.querySelector('form').submit()")
    await settles(() => app.server.stats().connections, 0, 'the end of the stream')
    await settles(() => firefox.read('String(document.forms[0].password !== undefined)'), 'true', 'the form')
    await login('ben')
    await shows('ben', BEN)
    await app.notes.insert({ _id: 'later', owner: 'ann', text: 'written after the logout' })
    for (let steps = 0; steps < 3; steps++) {
      await firefox.step(-1)
      const state = "document.querySelector('#status')?.textContent ?? 'the form'"
      await settles(async () => /ready|refused|form/.test(await firefox.read(state)), true, 'an answer')
      await settles(
        () => firefox.read("String(document.body.textContent.includes('after the logout'))"),
        'false',
        'notes',
      )
    }
  })
})
