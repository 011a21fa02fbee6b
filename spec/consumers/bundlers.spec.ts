import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { serveAda } from '../support/ada.ts'
import { LIVE, type Project, projectOrSkip } from '../support/consumers.ts'

describe('Particle in bundles', function () {
  this.timeout(120_000)
  let project: Project
  let ada: Awaited<ReturnType<typeof serveAda>>

  before(async function () {
    project = await projectOrSkip(this, 'bundlers')
    ada = await serveAda()
  })

  after(() => ada?.close())

  /** Loads a page's bundle and returns what it wrote; Node stands for the browser, of which it has all that a client needs. */
  async function load(file: string): Promise<string> {
    expect(await readFile(join(project.folder, file), 'utf8')).to.not.match(/node:|\brequire\(["']/)
    const script = `globalThis.particleUrl = '${ada.url}'; import('./${file}')`
    return (await project.run('node', ['--no-warnings', '-e', script])).trim()
  }

  const SHOWN = '{"users":[{"_id":1,"name":"Ada"}]} CLOSED'

  it('has a client by import and by require, by esbuild', async () => {
    const how = [
      '--bundle',
      '--platform=browser',
      '--outdir=esbuild',
      '--out-extension:.js=.mjs',
      '--format=esm',
    ]
    await project.run('esbuild', ['page.mjs', ...how])
    expect(await load('esbuild/page.mjs')).to.equal(SHOWN)
    await project.run('esbuild', [
      'page.cjs',
      '--bundle',
      '--platform=browser',
      '--outfile=esbuild/required.cjs',
    ])
    expect(await load('esbuild/required.cjs')).to.equal(SHOWN)
  })

  it('has a client by Rollup', async () => {
    await project.run('rollup', ['--config', 'rollup.config.mjs', '--failAfterWarnings'])
    expect(await load('rollup/page.mjs')).to.equal(SHOWN)
  })

  it('has a client, and a server with the script for browsers, by import and by require, by webpack', async () => {
    await project.run('node', ['webpack.cjs'])
    expect(await load('webpack/page.js')).to.equal(SHOWN)
    expect(await load('webpack/page-required.js')).to.equal(SHOWN)
    expect((await project.run('node', ['webpack/server.js'])).trim()).to.equal(LIVE)
    expect((await project.run('node', ['webpack/server-required.js'])).trim()).to.equal(LIVE)
  })

  it('has a server by esbuild, which finds the script for browsers where Particle is left outside', async () => {
    const how = ['--bundle', '--platform=node', '--external:particle', '--outfile=esbuild/server.cjs']
    await project.run('esbuild', ['server.cjs', ...how])
    expect((await project.run('node', ['--no-warnings', 'esbuild/server.cjs'])).trim()).to.equal(LIVE)
  })
})
