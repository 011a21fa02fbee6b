import { join } from 'node:path'
import { expect } from 'chai'
import { serveAda } from '../support/ada.ts'
import { type Project, projectOrSkip } from '../support/consumers.ts'
import { eventually } from '../support/http.ts'
import { startProgram } from '../support/process.ts'

describe('Particle in React Native', function () {
  this.timeout(30_000)
  let project: Project
  let ada: Awaited<ReturnType<typeof serveAda>>

  before(async function () {
    project = await projectOrSkip(this, 'react-native')
    ada = await serveAda()
  })

  after(() => ada?.close())

  it("runs a client with React Native's URL, its fetch and a polyfilled EventSource", async () => {
    const env = { ...process.env, PARTICLE_URL: ada.url }
    const app = startProgram(process.execPath, ['--no-warnings', join(project.folder, 'app.cjs')], { env })
    try {
      await eventually(() => app.output() === 'ready\n', 'the client is ready', 20_000)
      await ada.rename('Eva')
      await eventually(() => app.child.exitCode !== null, 'the application ended')
      expect(app.output()).to.equal('ready\n{"users":[{"_id":1,"name":"Eva"}]}\n')
    } finally {
      await app.stop()
    }
  })
})
