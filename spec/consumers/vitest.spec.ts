import { expect } from 'chai'
import { serveAda } from '../support/ada.ts'
import { LIVE, type Project, projectOrSkip } from '../support/consumers.ts'

describe('Particle in tests by Vitest', function () {
  this.timeout(60_000)
  let project: Project
  let ada: Awaited<ReturnType<typeof serveAda>>

  before(async function () {
    project = await projectOrSkip(this, 'vitest')
    ada = await serveAda()
  })

  after(() => ada?.close())

  it('runs a server and a client in Node, and a client under jsdom', async () => {
    const env = { EXPECTED: LIVE, PARTICLE_URL: ada.url, NO_COLOR: '1' }
    expect(await project.run('vitest', ['run'], env)).to.match(/Tests +2 passed \(2\)/)
  })
})
