import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { transform } from 'esbuild'
import { compile } from 'svelte/compiler'
import { compileScript, parse } from 'vue/compiler-sfc'
import { declarationPaths, linkedFolder } from './support/linked.ts'
import { declarationsFor, NEIGHBOUR, TYPES_ALONE } from './support/pages.ts'

const ROOT = join(import.meta.dirname, '..')
const FOLDER = join(ROOT, 'node_modules', '.cache', 'particle-blocks')
const SCRIPTS = ['js', 'jsx', 'ts', 'tsx', 'cjs']
/** Components, which the compilers of their frameworks read. */
const COMPONENTS = ['vue', 'svelte']
/** The specs of the Python client compile its blocks. */
const OTHERS = ['sh', 'nginx', 'yaml', 'html', 'python', 'sql', 'ini', '']
/** Whole programs that other specs run: of README, the tutorial and the source of one's own. */
const RUN = ['README.md', 'docs/start/tutorial.md']

interface Block {
  page: string
  line: number
  language: string
  title: string | undefined
  text: string
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^( *)```([a-z]*)(?: \[([^\]]+)\])?\n(.*?)^\1```$/gms)].map((match) => {
    const [, indent = '', language = '', title, lines = ''] = match
    const line = text.slice(0, match.index).split('\n').length + 1
    return { page, line, language, title, text: lines.replaceAll(new RegExp(`^${indent}`, 'gm'), '') }
  })
}

/** Options without their object (`manifest: …`) become one each. */
function moduleOf({ text, page, line }: Block): string {
  const head = `// ${page}:${line}\n`
  if (!/^\w+: /.test(text))
    return `${head}${text.replaceAll(/ from '\.\.?\/[^']+'/g, " from './neighbour.ts'")}\n${declarationsFor(text)}\nexport {}\n`
  const options = text.split(/^(?=\w+: )/m).map((part) => `;({\n${part.trimEnd()}\n}) satisfies Options`)
  return `${head}import type { Options } from './options.ts'\n${options.join('\n')}\n${declarationsFor(text)}\n`
}

describe('The code blocks of the pages', function () {
  this.timeout(120_000)
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  const pages = [
    'README.md',
    ...docs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name)),
  ]
  const blocks = pages.flatMap(blocksOf)

  it('are of known languages, so that none is left out', () => {
    const unknown = blocks.filter(
      ({ language }) => ![...SCRIPTS, ...COMPONENTS, ...OTHERS].includes(language),
    )
    expect(unknown).to.deep.equal([])
    expect(blocks.length).to.be.above(80)
  })

  it('have no errors of types', async () => {
    await rm(FOLDER, { recursive: true, force: true })
    await mkdir(FOLDER, { recursive: true })
    const checked = blocks.filter(
      ({ page, language, title }) =>
        SCRIPTS.includes(language) && language !== 'cjs' && !(RUN.includes(page) && title),
    )
    for (const [index, block] of checked.entries()) {
      const name = `${String(index).padStart(3, '0')}-${block.page.replace(/.*\/|\.md$/g, '')}-${block.line}`
      await writeFile(
        join(FOLDER, `${name}.${block.language.endsWith('x') ? 'tsx' : 'mts'}`),
        moduleOf(block),
      )
    }
    await writeFile(join(FOLDER, 'tsconfig.json'), JSON.stringify(SETTINGS))
    await writeFile(join(FOLDER, 'options.ts'), OPTIONS)
    await writeFile(join(FOLDER, 'neighbour.ts'), NEIGHBOUR)
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const { stdout } = await promisify(execFile)(process.execPath, [
      tsc,
      '-p',
      FOLDER,
      '--singleThreaded',
    ]).catch((error) => error)
    const errors = String(stdout)
      .split('\n')
      .filter(
        (line) => line.includes('particle-blocks/') && !TYPES_ALONE.some((pattern) => pattern.test(line)),
      )
    expect(errors).to.deep.equal([])
  })

  it('run where they are a test', async () => {
    const folder = await linkedFolder()
    const [test] = blocks.filter(({ title }) => title === 'rights.test.js')
    await writeFile(join(folder, 'rights.test.mjs'), test?.text ?? '')
    const { stdout } = await promisify(execFile)(process.execPath, ['--test'], { cwd: folder })
    expect(stdout)
      .to.match(/pass 1\b/)
      .and.match(/fail 0\b/)
    await rm(folder, { recursive: true, force: true })
  })

  it('can be compiled where they are components', () => {
    const components = blocks.filter(({ language }) => COMPONENTS.includes(language))
    expect(components.map(({ language }) => language)).to.include.members(COMPONENTS)
    for (const { language, text } of components) {
      if (language === 'svelte') expect(compile(text, { generate: 'client' }).warnings).to.deep.equal([])
      else {
        const { descriptor, errors } = parse(text)
        expect(errors).to.deep.equal([])
        expect(compileScript(descriptor, { id: 'a', inlineTemplate: true }).content).to.include('useWatch')
      }
    }
  })

  it('can be parsed where they are CommonJS, or the script of a page', async () => {
    for (const { language, text } of blocks) {
      if (language === 'cjs') await transform(text)
      const script = language === 'html' && /<script type="module">(.*?)<\/script>/s.exec(text)?.[1]
      if (script) await transform(script)
    }
  })

  it('are sound commands where they are of a shell', async () => {
    for (const { language, text } of blocks) {
      if (language === 'sh') await promisify(execFile)('bash', ['-n', '-c', text])
    }
  })
})

const OPTIONS = `import type { DataSource, ServerOptions } from 'particle'
export type Options = Partial<ServerOptions> | Partial<DataSource>
`

/** Pages are written in JavaScript: parameters have no types, and values may be missing. */
const SETTINGS = {
  extends: '../../../tsconfig.json',
  compilerOptions: {
    strict: false,
    strictNullChecks: false,
    noUncheckedIndexedAccess: false,
    exactOptionalPropertyTypes: false,
    verbatimModuleSyntax: false,
    jsx: 'preserve',
    types: ['node'],
    paths: declarationPaths('../../..'),
  },
  include: ['*', '../../../spec/support/pages.d.ts'],
}
