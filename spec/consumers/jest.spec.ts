import { expect } from 'chai'
import { serveAda } from '../support/ada.ts'
import { LIVE, type Project, projectOrSkip } from '../support/consumers.ts'

describe('Particle in tests by Jest', function () {
  this.timeout(120_000)
  let project: Project
  let ada: Awaited<ReturnType<typeof serveAda>>

  before(async function () {
    project = await projectOrSkip(this, 'jest')
    ada = await serveAda()
  })

  after(() => ada?.close())

  const jest = async (pattern: string, env: NodeJS.ProcessEnv = {}) => {
    const args = ['--ci', '--runInBand', '--testPathPatterns', pattern]
    return project.run('jest', args, { EXPECTED: LIVE, PARTICLE_URL: ada.url, ...env })
  }

  it('runs a server and a client by require, in the default environment', async () => {
    expect(await jest('live')).to.match(/Tests: +1 passed, 1 total/)
  })

  it('runs a server and a client in TypeScript, by ts-jest', async () => {
    expect(await jest('typed')).to.match(/Tests: +1 passed, 1 total/)
  })

  it('runs a server and a client as ES modules', async () => {
    const env = { NODE_OPTIONS: '--experimental-vm-modules --no-warnings' }
    expect(await jest('module', env)).to.match(/Tests: +1 passed, 1 total/)
  })

  it('loads under jsdom, and runs a client there that is given events', async () => {
    expect(await jest('page')).to.match(/Tests: +2 passed, 2 total/)
  })

  it("runs a client under jsdom with the fetch of Node, by the guide's environment", async () => {
    expect(await jest('fetch')).to.match(/Tests: +1 passed, 1 total/)
  })
})
