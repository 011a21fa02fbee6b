import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { expect } from 'chai'
import { exampleNames, mergedPackage, packageOf } from '../support/examples.ts'
import { ROOT } from '../support/packed.ts'

const CODE = ['.js', '.jsx', '.ts', '.vue', '.svelte', '.ejs', '.html']
const LIST = 'docs/start/examples.md'

function filesOf(name: string): string[] {
  const folder = join(ROOT, 'examples', name)
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => CODE.includes(extname(file)) && !file.startsWith('node_modules'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
}

/** Lists the packages that a text imports: `express` of `express/lib/x`, `@nestjs/core` as it stands. */
function importsOf(text: string): string[] {
  const statements = /^\s*(?:import|export)\s+(?:[\w$*{},\s]+\s+from\s+)?['"]([^'"]+)['"]/gm
  return [...text.matchAll(statements)]
    .map(([, target = '']) => target)
    .filter((target) => !/^(?:[./]|node:)/.test(target))
    .map((target) => /^(?:@[^/]+\/)?[^/]+/.exec(target)?.[0] ?? target)
}

describe('Each folder of examples/', () => {
  for (const name of exampleNames()) {
    describe(name, () => {
      const { dependencies, scripts } = packageOf(name)
      const texts = filesOf(name)

      it('names the packages that it imports, and Particle among them', () => {
        const imported = new Set(texts.flatMap(importsOf))
        expect(Object.keys(dependencies)).to.include.members([...imported, 'particle'])
        expect(imported).to.include('particle')
        expect(scripts.start).to.be.a('string')
      })

      const limit = name === 'helpdesk' ? 200 : 150 // a whole application
      it(`has less than ${limit} lines of code, and a README of about 20`, () => {
        const lines = texts.map((text) => text.trimEnd().split('\n').length)
        expect(lines.reduce((sum, count) => sum + count, 0)).to.be.below(limit)
        const readme = readFileSync(join(ROOT, 'examples', name, 'README.md'), 'utf8')
        expect(readme.trimEnd().split('\n').length).to.be.within(10, 30)
        expect(readme).to.include('npm start')
      })

      it(`is on the page ${LIST}, and has a spec that runs it`, () => {
        expect(readFileSync(join(ROOT, LIST), 'utf8')).to.include(`(../../examples/${name}/README.md)`)
        const specs = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.spec.ts'))
        const runs = specs.some((file) =>
          readFileSync(join(import.meta.dirname, file), 'utf8').includes(`'${name}'`),
        )
        expect(runs || existsSync(join(import.meta.dirname, `${name}.spec.ts`))).to.equal(true)
      })
    })
  }

  it('agrees with the others about the versions of packages', () => {
    expect(Object.keys(JSON.parse(mergedPackage()).dependencies).length).to.be.above(10)
  })
})
