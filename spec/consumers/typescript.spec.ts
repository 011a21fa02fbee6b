import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Project, projectOrSkip } from '../support/consumers.ts'

const COMMON = ['common/use.ts', 'common/require.ts']
/** How each resolution is tried. The types of all libraries are checked once, since that takes three times as long as the rest. */
const RESOLUTIONS: [resolution: string, files: string[], how: string[]][] = [
  ['node10', ['common/use.ts', 'module/use.ts'], ['--module', 'commonjs', '--skipLibCheck']],
  // A server's project has no DOM.
  ['node16', [...COMMON, 'module/use.ts', 'open.mts'], ['--module', 'node16', '--lib', 'es2022']],
  ['nodenext', [...COMMON, 'module/use.ts', 'open.mts'], ['--module', 'nodenext', '--skipLibCheck']],
  ['bundler', ['common/use.ts', 'module/use.ts'], ['--module', 'esnext', '--skipLibCheck']],
]
const VERSIONS = { 5.6: 'typescript-5.6', 5.9: 'typescript' }

describe('Particle in TypeScript', function () {
  this.timeout(180_000)
  let project: Project

  before(async function () {
    project = await projectOrSkip(this, 'typescript')
    await project.write('common/package.json', '{ "type": "commonjs" }')
    await project.write('module/package.json', '{ "type": "module" }')
    const use = await readFile(join(project.folder, 'use.ts'), 'utf8')
    await project.write('common/use.ts', use)
    await project.write('module/use.ts', use)
    const required = use.replace(/^import (\w+) from ('.+')$/gm, 'import $1 = require($2)')
    expect(required).to.include("import particle = require('particle')")
    await project.write('common/require.ts', required)
  })

  /** Checks files by all versions; resolves to what the compilers have to say, but for what they say of others' types. */
  async function check(...args: string[]): Promise<string[]> {
    const strict = ['--noEmit', '--strict', '--esModuleInterop', '--target', 'es2022']
    const checks = Object.entries(VERSIONS).map(async ([version, name]) => {
      const tsc = join(project.tools, 'node_modules', name, 'bin', 'tsc')
      const said = await project.run('node', [tsc, ...strict, ...args]).catch((error: Error) => error.message)
      const lines = said.split('\n').filter((line) => line.trim() !== '')
      return lines
        .filter((line) => !/^\.\..*node_modules\/(?!particle\/)/.test(line))
        .map((line) => `${version}: ${line}`)
    })
    return (await Promise.all(checks)).flat()
  }

  for (const [resolution, files, how] of RESOLUTIONS) {
    it(`has types for all subpaths in CommonJS and in ES modules by ${resolution}`, async () => {
      const options = ['--moduleResolution', resolution, '--types', 'node', ...how]
      expect(await check(...options, ...files)).to.deep.equal([])
    })
  }

  it('has types for a page, which has the DOM and not Node', async () => {
    const how = ['--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2022,dom']
    expect(await check(...how, '--typeRoots', 'none', 'page.mts')).to.deep.equal([])
  })
})
