import { expect } from 'chai'
import type { Browser, Page } from 'playwright-core'
import { Chat, type Message, SHOWN } from '../support/chat.ts'
import { Balancer } from '../support/cluster/balancer.ts'
import { sharedBrowser } from '../support/life/browser.ts'
import { settles } from '../support/life/tab.ts'

/** How long rooms are switched. `ROOMS_SECONDS=60` takes a minute. */
const SECONDS = Number(process.env.ROOMS_SECONDS ?? 6)
const ROOMS = 50

/** A page that shows one room, and notes each message that is not of this room. */
const PAGE = `<!doctype html>
<h1></h1><ol id="messages"></ol><ol id="errors"></ol><ol id="foreign"></ol>
<script type="module">
import { Client } from '/particle/client.js'
const list = (name) => document.querySelector('#' + name)
const item = (textContent) => Object.assign(document.createElement('li'), { textContent })
const client = window.client = new Client({
  identity: { user: 'ann' },
  onError: ({ message }) => list('errors').append(item(message)),
})
let watch
window.open = (room) => {
  watch?.close()
  watch = client.watch('messages', { room })
  const draw = () => {
    const messages = watch.getSnapshot()
    for (const message of messages)
      if (message.room !== room) list('foreign').append(item(room + ' shows ' + message.text))
    document.querySelector('h1').textContent = 'Room ' + room + ' ' + watch.status
    list('messages').replaceChildren(...messages.map(({ text }) => item(text)))
  }
  watch.subscribe(draw)
  draw()
}
window.open(0)
</script>`

describe('A page of a chat of rooms, in Chromium', function () {
  this.timeout(60_000 + SECONDS * 2000)
  let browser: Browser
  let chat: Chat
  let balancer: Balancer | undefined
  let page: Page

  before(async function () {
    browser = await sharedBrowser(this)
  })
  beforeEach(async () => {
    chat = new Chat()
    await chat.fill(ROOMS, 60)
    page = await browser.newPage()
  })
  afterEach(async () => {
    await page.close()
    balancer?.close()
    await chat.stop()
  })

  const open = (room: number) =>
    page.evaluate((number) => (globalThis as unknown as { open(room: number): void }).open(number), room)
  const texts = (list: string) => page.locator(`#${list} li`).allTextContents()

  /** Switches rooms at random while others write, and looks at each tenth room for longer. */
  async function switchRooms(seconds: number): Promise<number> {
    let steps = 0
    for (const end = Date.now() + seconds * 1000; Date.now() < end || steps <= seconds; steps++) {
      const room = Math.floor(Math.random() * ROOMS)
      await open(room)
      await chat.say(steps % 2 ? room : Math.floor(Math.random() * ROOMS))
      if (steps % 10 > 0) continue
      const last = (await chat.last(room)) as Message[]
      expect(last).to.have.length(SHOWN)
      // The messages may be all there before the status: a client that is cut off shows what it had.
      const wanted = [`Room ${room} ready`, ...last.map(({ text }) => text)]
      const shown = async () => [await page.locator('h1').textContent(), ...(await texts('messages'))]
      await settles(shown, wanted, `room ${room}`, 15_000)
    }
    return steps
  }

  it(`shows the last ${SHOWN} of each room that is switched to, and none of another, over one stream`, async () => {
    await page.goto(`${await chat.start(PAGE)}/../`)
    expect(await switchRooms(SECONDS)).to.be.greaterThan(SECONDS)
    expect(await texts('foreign')).to.deep.equal([])
    expect(await texts('errors')).to.deep.equal([])
    expect(chat.nodes[0]?.requests.filter((each) => each.endsWith('/stream'))).to.have.length(1)
    expect(chat.nodes[0]?.server.stats().connections).to.equal(1)
  })

  it('goes on behind a balancer that sends each connection to another node, while one is killed', async () => {
    for (let node = 0; node < 2; node++) await chat.start(PAGE)
    balancer = await Balancer.start(chat.nodes.map(({ port }) => port))
    await page.goto(`http://127.0.0.1:${balancer.port}/`)
    await switchRooms(SECONDS / 2)
    chat.kill(0)
    await switchRooms(SECONDS / 2)
    expect(await texts('foreign')).to.deep.equal([])
    expect(await texts('errors')).to.deep.equal([])
  })
})
