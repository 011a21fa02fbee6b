import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Project, projectOrSkip } from '../support/consumers.ts'

const COMMON = ['common/use.ts', 'common/require.ts']
const STRICT = ['--noEmit', '--strict', '--esModuleInterop', '--target', 'es2022']
const byResolution = (resolution: string) => ['--moduleResolution', resolution, '--types', 'node']
/** Sets of files, and how each is tried. */
const SETS: Record<string, string[]> = {
  'all subpaths in CommonJS and in ES modules by node10': [
    ...byResolution('node10'),
    ...['--module', 'commonjs', 'common/use.ts', 'module/use.ts'],
  ],
  // A server's project has no DOM.
  'all subpaths in CommonJS and in ES modules by node16': [
    ...byResolution('node16'),
    ...['--module', 'node16', '--lib', 'es2022', ...COMMON, 'module/use.ts', 'open.mts'],
  ],
  'all subpaths in CommonJS and in ES modules by nodenext': [
    ...byResolution('nodenext'),
    ...['--module', 'nodenext', ...COMMON, 'module/use.ts', 'open.mts'],
  ],
  'all subpaths in CommonJS and in ES modules by bundler': [
    ...byResolution('bundler'),
    ...['--module', 'esnext', 'common/use.ts', 'module/use.ts'],
  ],
  'a page, which has the DOM and not Node': [
    ...['--moduleResolution', 'bundler', '--module', 'esnext', '--lib', 'es2022,dom'],
    ...['--typeRoots', 'none', 'page.mts'],
  ],
}
const VERSIONS = { 5.6: 'typescript-5.6', 5.9: 'typescript' }

/** Lists a compiler's errors in a set. */
type Errors = { file?: string; text: string }[]

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

  for (const [version, name] of Object.entries(VERSIONS)) {
    describe(version, () => {
      let errors: Errors[]

      before(async () => {
        const sets = Object.values(SETS).map((set) => [...STRICT, ...set])
        const compiler = join(project.tools, 'node_modules', name)
        errors = JSON.parse(await project.run('node', ['check.cjs', compiler, JSON.stringify(sets)]))
      })

      for (const [index, what] of Object.keys(SETS).entries()) {
        it(`has types for ${what}`, () => {
          expect(errors[index]).to.deep.equal([])
        })
      }
    })
  }
})
