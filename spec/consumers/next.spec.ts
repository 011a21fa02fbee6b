import { join } from 'node:path'
import { expect } from 'chai'
import { Client } from '../../lib/client/index.ts'
import { type Project, projectOrSkip } from '../support/consumers.ts'
import { eventually } from '../support/http.ts'
import { freePort, type Program, startProgram } from '../support/process.ts'

describe('Particle in Next', function () {
  this.timeout(240_000)
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' }
  let project: Project
  let next: Program
  let origin: string

  before(async function () {
    project = await projectOrSkip(this, 'next')
    await project.run('next', ['build'], env)
    const port = await freePort()
    origin = `http://127.0.0.1:${port}`
    const bin = join(project.tools, 'node_modules', '.bin', 'next')
    next = startProgram(bin, ['start', '-H', '127.0.0.1', '-p', String(port)], { cwd: project.folder, env })
    await eventually(() => next.output().includes('Ready in'), 'Next is ready', 60_000)
  })

  after(() => next?.stop())

  it('builds a page whose component has a client', async () => {
    const page = await (await fetch(origin)).text()
    const scripts = [...page.matchAll(/src="([^"]+\.js)"/g)].map(([, script]) => `${origin}${script}`)
    const texts = await Promise.all(scripts.map(async (script) => (await fetch(script)).text()))
    expect(texts.filter((text) => text.includes('ParticleError'))).to.have.lengthOf(1)
  })

  it('serves Particle by a route handler, which frees what a client that leaves had, and changes its data in another', async () => {
    const client = new Client<{ users: { _id: number; name: string }[] }>({ url: `${origin}/api/particle` })
    try {
      expect((await client.ready()).users).to.deep.equal([{ _id: 1, name: 'Ada' }])
      const stats = await (await fetch(`${origin}/stats`)).json()
      expect(stats).to.deep.equal({ connections: 1, error: 'CLOSED' })
      await eventually(() => client.data.users?.[0]?.name === 'Eva', 'the client has the change')
    } finally {
      client.close()
    }
    let connections = 1
    const ask = async () => {
      connections = (await (await fetch(`${origin}/stats`)).json()).connections
    }
    for (const end = Date.now() + 5_000; connections > 0 && Date.now() < end; ) await ask()
    expect(connections).to.equal(0)
  })

  it('serves Particle by an API route of the Pages Router', async () => {
    const client = new Client({ url: `${origin}/api/pages` })
    try {
      expect((await client.ready()).users).to.have.lengthOf(1)
    } finally {
      client.close()
    }
  })

  it('serves the script for browsers, since it is left out of the bundle', async () => {
    for (const path of ['/api/particle', '/api/pages']) {
      const script = await (await fetch(`${origin}${path}/client.js`)).text()
      expect(script).to.match(/export\s*\{.*\bClient\b/s)
    }
  })
})
