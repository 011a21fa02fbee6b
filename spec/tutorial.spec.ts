import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect } from 'chai'
import { transform } from 'esbuild'
import { Client } from '../lib/client/index.ts'
import { eventually } from './support/http.ts'
import { linkedFolder } from './support/linked.ts'
import { freePort } from './support/process.ts'

const ROOT = join(import.meta.dirname, '..')

/** Gives the files that each step of the page saves. */
async function stepsOf(page: string): Promise<Map<string, string>[]> {
  const [, ...steps] = (await readFile(join(ROOT, page), 'utf8')).split(/^## Step \d+/m)
  return steps.map((step) => {
    const blocks = step.matchAll(/^```\w+ \[([\w./-]+)\]\n(.*?)^```$/gms)
    return new Map([...blocks].map(([, name = '', text = '']) => [name, text]))
  })
}

describe('The tutorial', function () {
  this.timeout(60_000)
  let folder: string
  let url: string
  let child: ChildProcess | undefined
  let steps: Map<string, string>[]
  const clients: Client[] = []

  /** Saves the step's files over those of the steps before, and starts the server. */
  async function take(number: number): Promise<void> {
    await stop()
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    for (const [name, text] of steps[number - 1] ?? []) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), text)
    }
    const env = { ...process.env, PORT: String(port), NODE_NO_WARNINGS: '1' }
    child = spawn(process.execPath, ['server.mjs'], {
      cwd: folder,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    await answers()
  }

  async function answers(): Promise<void> {
    const deadline = Date.now() + 20_000
    while (!(await fetch(url).catch(() => undefined))) {
      if (child?.exitCode !== null || Date.now() > deadline) throw new Error('The server does not start')
      await setTimeout(50)
    }
  }

  async function stop(): Promise<void> {
    for (const client of clients.splice(0)) client.close()
    const running = child
    child = undefined
    if (running?.exitCode !== null) return
    const exit = once(running, 'exit')
    running.kill('SIGKILL')
    await exit
  }

  /** Logs in as a browser does, and gives the cookie. */
  async function logIn(user: string): Promise<string> {
    const answer = await fetch(`${url}/login/${user}`, { redirect: 'manual' })
    return answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  }

  function open(cookie = ''): Client {
    const withCookie: typeof fetch = (address, init) =>
      fetch(address, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), cookie } })
    const client = new Client({ url: `${url}/particle`, fetch: withCookie, onError: () => {} })
    clients.push(client)
    return client
  }

  const post = (path: string, cookie = '') => fetch(`${url}${path}`, { method: 'POST', headers: { cookie } })
  const titles = (client: Client) => client.getSnapshot('tasks').map(({ title }) => title)

  before(async () => {
    steps = await stepsOf('docs/start/tutorial.md')
    folder = await linkedFolder('express', 'express-session')
    await mkdir(join(folder, 'public'))
    await writeFile(join(folder, 'public', 'index.html'), '')
  })

  afterEach(stop)
  after(() => rm(folder, { recursive: true, force: true }))

  it('has seven steps', () => {
    expect(steps.map((files) => [...files.keys()])).to.have.length(7)
  })

  it('serves the tasks in step 1, without the fields that the manifest does not name', async () => {
    await take(1)
    const client = open()
    await client.ready()
    expect(titles(client)).to.deep.equal(['Read the tutorial', 'Water the plants'])
    expect(Object.keys(client.getSnapshot('tasks')[0] ?? {})).to.have.members([
      '_id',
      'title',
      'done',
      'owner',
    ])
  })

  it('serves a page in step 2, whose script is sound', async () => {
    await take(2)
    const page = await (await fetch(url)).text()
    const script = /<script type="module">(.*?)<\/script>/s.exec(page)?.[1] ?? ''
    expect((await transform(script)).code).to.include('/particle/client.js')
    expect((await fetch(`${url}/particle/client.js`)).status).to.equal(200)
  })

  it('shows a write at once in step 3', async () => {
    await take(3)
    const client = open()
    await client.ready()
    expect((await post('/tasks/1/done')).status).to.equal(204)
    await eventually(() => client.getSnapshot('tasks')[0]?.done === true, 'the write')
  })

  it('refuses strangers in step 4, and shows users their own tasks', async () => {
    await take(4)
    const stranger = open()
    await eventually(() => stranger.status === 'refused', 'the refusal')
    const ada = open(await logIn('ada'))
    await ada.ready()
    expect(titles(ada)).to.deep.equal(['Read the tutorial'])
  })

  it('shows a shared task in step 5, in its place, and lets nobody else write', async () => {
    await take(5)
    const [cookie, other] = [await logIn('ada'), await logIn('ben')]
    const ben = open(other)
    await ben.ready()
    expect((await post('/tasks/1/done')).status).to.equal(401)
    expect((await post('/tasks/1/done', other)).status).to.equal(404)
    expect((await post('/tasks/1/share/ben', cookie)).status).to.equal(204)
    await eventually(() => titles(ben).length === 2, 'the shared task')
    expect(titles(ben)).to.deep.equal(['Read the tutorial', 'Water the plants'])
    expect(Object.keys(ben.getSnapshot('tasks')[0] ?? {})).to.not.include('sharedWith')
    expect((await post('/tasks/1/done', other)).status).to.equal(204)
  })

  it('shows the comments of the task that is open in step 6, to those who may see the task', async () => {
    await take(6)
    const page = await (await fetch(url)).text()
    await transform(/<script type="module">(.*?)<\/script>/s.exec(page)?.[1] ?? '')
    const [cookie, other] = [await logIn('ada'), await logIn('ben')]
    const [ada, ben] = [open(cookie), open(other)]
    const [mine, theirs] = [ada, ben].map((client) => client.watch('comments', { task: '1' }))
    await mine?.ready()
    expect(await theirs?.ready().catch(({ code }) => code)).to.equal('FORBIDDEN')
    const comment = (headers: Record<string, string>) =>
      fetch(`${url}/tasks/1/comments`, {
        method: 'POST',
        headers: { ...headers, 'Content-Type': 'application/json' },
        body: '{"text":"Read it"}',
      })
    expect((await comment({ cookie: other })).status).to.equal(404)
    expect((await comment({ cookie })).status).to.equal(204)
    await eventually(() => mine?.data[0]?.text === 'Read it', 'the comment')
    expect((await post('/tasks/1/share/ben', cookie)).status).to.equal(204)
    const again = ben.watch('comments', { task: '1' })
    expect((await again.ready()).map(({ by, text }) => [by, text])).to.deep.equal([['ada', 'Read it']])
  })

  it('ends the streams of a login in step 7, and no others', async () => {
    await take(7)
    const [cookie, other] = [await logIn('ada'), await logIn('ben')]
    const [ada, ben] = [open(cookie), open(other)]
    await Promise.all([ada.ready(), ben.ready()])
    expect((await post('/logout', cookie)).status).to.equal(204)
    await eventually(() => ada.status === 'refused', 'the logout')
    expect(ada.getSnapshot('tasks')).to.deep.equal([])
    expect(ben.status).to.equal('ready')
  })
})
