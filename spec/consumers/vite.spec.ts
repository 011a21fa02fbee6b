import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Client } from '../../lib/client/index.ts'
import { serveAda } from '../support/ada.ts'
import { type Project, projectOrSkip } from '../support/consumers.ts'
import { eventually } from '../support/http.ts'
import { freePort, type Program, startProgram } from '../support/process.ts'

describe('Particle with Vite', function () {
  this.timeout(60_000)
  let project: Project
  let ada: Awaited<ReturnType<typeof serveAda>>

  before(async function () {
    project = await projectOrSkip(this, 'vite')
    ada = await serveAda()
  })

  after(() => ada?.close())

  it('has a client in what Vite builds', async () => {
    await project.run('vite', ['build', '--logLevel', 'warn'])
    expect(await readdir(join(project.folder, 'dist'))).to.have.members(['index.html', 'page.js'])
    const script = `globalThis.particleUrl = '${ada.url}'; import('./dist/page.js')`
    const shown = await project.run('node', ['--no-warnings', '-e', script])
    expect(shown.trim()).to.equal('{"users":[{"_id":1,"name":"Ada"}]} CLOSED')
  })

  describe("in Vite's server for development", () => {
    let vite: Program
    let origin: string

    before(async () => {
      const port = await freePort()
      origin = `http://127.0.0.1:${port}`
      const args = ['--host', '127.0.0.1', '--port', String(port), '--strictPort']
      const env = { ...process.env, PARTICLE_ORIGIN: ada.origin }
      const bin = join(project.tools, 'node_modules', '.bin', 'vite')
      vite = startProgram(bin, args, { cwd: project.folder, env })
      await eventually(() => vite.output().includes('ready in'), 'Vite is ready', 30_000)
    })

    after(() => vite?.stop())

    it("gives the page the client's modules", async () => {
      const page = await (await fetch(`${origin}/page.js`)).text()
      const client = /from\s*"([^"]+)"/.exec(page)?.[1] ?? ''
      const response = await fetch(origin + client)
      expect(response.headers.get('content-type')).to.match(/javascript/)
      expect(await response.text()).to.match(/\bClient\b/)
    })

    for (const path of ['/particle', '/api/particle']) {
      it(`passes a stream on at once through its proxy at ${path}`, async () => {
        await ada.rename('Ada')
        const client = new Client<{ users: { _id: number; name: string }[] }>({ url: origin + path })
        try {
          expect((await client.ready()).users).to.deep.equal([{ _id: 1, name: 'Ada' }])
          await ada.rename('Eva')
          await eventually(() => client.data.users?.[0]?.name === 'Eva', 'the client has the change')
        } finally {
          client.close()
        }
      })
    }
  })
})
