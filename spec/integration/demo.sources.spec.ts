import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Browser, Page } from 'playwright-core'
import { BoardPage } from '../support/board.ts'
import { callApi, type Demo, runDemo, startDemo, until } from '../support/demo.ts'
import { sharedBrowser } from '../support/life/browser.ts'

const SOURCES = [
  { source: 'mongo', variable: 'MONGODB_URL' },
  { source: 'redis', variable: 'REDIS_URL' },
  { source: 'postgres', variable: 'POSTGRES_URL' },
  { source: 'mariadb', variable: 'MARIADB_URL' },
]

describe('the demo on each source', function () {
  this.timeout(60_000)
  let browser: Browser
  let folder: string
  const demos: Demo[] = []
  const pages: Page[] = []

  before(async function () {
    browser = await sharedBrowser(this)
  })

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'particle-demo-'))
    await chmod(folder, 0o755) // PostgreSQL runs as another user
  })

  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close()
    for (const demo of demos.splice(0).reverse()) await demo.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function start(source: string, env: Record<string, string> = {}): Promise<Demo> {
    const demo = await startDemo({ args: ['--source', source], env })
    demos.push(demo)
    return demo
  }

  async function openPage(demo: Demo): Promise<BoardPage> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    pages.push(page)
    const board = new BoardPage(page)
    await board.open(demo.url)
    return board
  }

  for (const { source, variable } of SOURCES) {
    it(`shows the same page on ${source}, of a server that ends with it, and again on data that is there`, async function () {
      this.timeout(400_000) // on a bare machine the server is installed first
      const demo = await start(source, { TMPDIR: folder }).catch((error: Error) => {
        if (process.env.CI || !/There is no |No MongoDB/.test(error.message)) throw error
        console.log(`      ${error.message}`)
        return this.skip()
      })
      const server = /(?:mongodb|redis|postgres|mariadb):\/\/\S+/.exec(demo.output())?.[0] ?? ''
      const board = await openPage(demo)
      expect(await board.names('ada')).to.deep.equal(['Ada Okafor', 'Ben Ito', 'Chloé Martin'])
      await board.box('ben', 'Redraw the empty states').check()
      await until('the tick is seen', () => board.box('ada', 'Redraw the empty states').isChecked())
      await board.team('ben', 'Gemini').click()
      await board.person('ben', 'Dag Solberg').waitFor()
      await board.team('ben', 'Apollo').click()
      await board.person('ben', 'Ada Okafor').waitFor({ state: 'detached' })
      expect(await board.names('ben')).to.deep.equal(['Chloé Martin', 'Dag Solberg'])
      expect(await board.names('ada')).to.deep.equal(['Ada Okafor', 'Ben Ito', 'Chloé Martin'])
      await editAtOnce(demo.url, board)
      await board.page.close()

      // Another process, on the server of the first: it begins where that left off, and leaves the server as it is.
      const second = await start(source, { [variable]: server })
      await callApi(second.url, 'ben', 'PUT', 'teams/apollo/membership')
      const later = await openPage(second)
      const people = ['Ada Okafor', 'Ben Ito', 'Chloé Martin', 'Eve Moreaux']
      expect(await later.names('ben')).to.deep.equal(people)
      expect(await later.box('ben', 'Redraw the empty states').isChecked()).to.equal(true)
      expect(await later.todo('ben', 'Of many').count()).to.equal(8)
      await later.page.close()
      await second.stop()
      expect(await answers(server)).to.equal(true)

      await demo.stop('SIGINT')
      expect(demo.output(), 'it ends without a word').to.match(/Ctrl\+C ends it\)\.\n$/)
      expect(await answers(server)).to.equal(false)
      expect((await readdir(folder)).filter((name) => name.startsWith('particle-'))).to.deep.equal([])
    })
  }

  /** All REST calls, many of them at once, of which none may be lost: eight to-dos are added, ticked, and a ninth removed meanwhile. */
  async function editAtOnce(url: string, board: BoardPage): Promise<void> {
    const call = async (method: string, path: string, body?: unknown) => {
      const response = await callApi(url, 'ada', method, path, body)
      expect(response.ok, `${method} ${path}: ${response.status}`).to.equal(true)
      return response.status === 201 ? ((await response.json()) as { _id: string })._id : ''
    }
    const eve = `people/${await call('POST', 'people', { name: 'Eve Moreau' })}`
    const add = (title: string) => call('POST', `${eve}/todos`, { title })
    const todos = await Promise.all(Array.from({ length: 8 }, (_, index) => add(`Of many ${index}`)))
    const ninth = await add('Of many 8')
    await Promise.all([
      ...todos.map((id) => call('PATCH', `${eve}/todos/${id}`, { done: true })),
      call('DELETE', `${eve}/todos/${ninth}`),
      call('PATCH', eve, { name: 'Eve Moreaux', salary: 50_000.5, notes: '' }),
    ])
    await board.person('ada', 'Eve Moreaux').waitFor()
    await until(
      'all is there',
      async () =>
        (await board.person('ada', 'Eve Moreaux').getByRole('checkbox', { checked: true }).count()) === 8 &&
        (await board.todo('ada', 'Of many').count()) === 8,
    )
    expect(await board.person('ada', 'Eve Moreaux').getByLabel('Salary (€)').inputValue()).to.equal('50000.5')
    const refused: [status: number, method: string, path: string, body?: unknown][] = [
      [404, 'PUT', 'teams/none/membership'],
      [404, 'PATCH', `${eve}/todos/${ninth}`, { done: true }],
      [404, 'DELETE', `${eve}/todos/${ninth}`],
      [404, 'POST', 'people/dag-solberg/todos', { title: 'Of another team' }],
      [404, 'PATCH', 'people/dag-solberg', { role: 'Captain' }],
      [404, 'DELETE', 'people/dag-solberg'],
    ]
    for (const [status, method, path, body] of refused)
      expect((await callApi(url, 'ada', method, path, body)).status, `${method} ${path}`).to.equal(status)
    await call('PUT', 'teams/gemini/membership')
    await call('PUT', 'teams/gemini/membership')
    await call('DELETE', 'people/dag-solberg')
  }

  it('runs on two nodes: whoever kills the node of a stream sees it go on at the other one', async function () {
    this.timeout(120_000)
    const demo = await startDemo({
      file: 'demo/nodes.ts',
      args: ['--source', 'redis'],
      env: { TMPDIR: folder },
    })
    demos.push(demo)
    const board = await openPage(demo)
    const line = board.pane('ben').locator('.node span')
    await line.waitFor()
    const before = await line.textContent()
    expect(before).to.match(/^Node [AB] serves this stream\.$/)
    for (const part of ['.load', '.switch', '.alone'])
      expect(await board.page.locator(part).first().isVisible(), part).to.equal(false)

    await board.pane('ben').getByRole('button', { name: 'Kill the node' }).click()
    await until('the other node serves', async () => (await line.textContent()) !== before)
    await board.status('ben', 'Live')
    await board
      .pane('ben')
      .getByText(/^Resumed with/)
      .waitFor()
    await board.addTodo('ada', 'Ben Ito', 'After the kill')
    await board.todo('ben', 'After the kill').waitFor()

    const running = async () =>
      Promise.all([1, 2].map(async () => (await fetch(demo.url)).headers.get('x-node')))
    await until('the killed node is back', async () => new Set(await running()).size === 2)
  })

  it('says that two nodes need a database', async () => {
    const { child, output } = await runDemo('0', { file: 'demo/nodes.ts' })
    const [code] = await once(child, 'close')
    expect(code).to.equal(1)
    expect(output()).to.include('Two nodes need a database')
  })

  it('says in a sentence what it takes, where an option or a source is unknown', async () => {
    const wrong = [['--source', 'oracle'], ['--port', '1'], ['redis']]
    await Promise.all(
      wrong.map(async (args) => {
        const { child, output } = await runDemo('0', { args })
        const [code] = await once(child, 'close')
        expect(code).to.equal(1)
        expect(output().trim(), output()).to.match(
          /^[A-Z].*: npm run demo -- --source memory\|mongo\|redis\|postgres\|mariadb$/,
        )
      }),
    )
  })

  it('says in a sentence that the server of a URL does not answer', async () => {
    await Promise.all(
      // MongoDB's driver takes its time to say so.
      SOURCES.filter(({ source }) => source !== 'mongo').map(async ({ source, variable }) => {
        const env = { [variable]: `${source}://127.0.0.1:1` }
        const { child, output } = await runDemo('0', { args: ['--source', source], env })
        const [code] = await once(child, 'close')
        expect(code).to.equal(1)
        expect(output().trim()).to.equal(
          `The server of ${variable} can't be used: connect ECONNREFUSED 127.0.0.1:1`,
        )
      }),
    )
  })
})

/** Whether something listens at a server's URL. */
async function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
