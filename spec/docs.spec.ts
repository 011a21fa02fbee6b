import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { purposeOf } from '../docs/.vitepress/llms.ts'
import { SECTIONS } from '../docs/.vitepress/pages.ts'
import { type Happening, INITIAL, next, type Phase } from '../lib/client/state.ts'
import { OPERATIONS } from '../lib/model/operation.ts'
import { EVENTS } from '../lib/protocol/messages.ts'
import { DEBUG_NAMES } from '../lib/server/support/diagnostics.ts'
import manifest from '../package.json' with { type: 'json' }
import { apiPage } from '../scripts/api.ts'

const ROOT = join(import.meta.dirname, '..')
const protocol = readFileSync(join(ROOT, 'docs/reference/protocol.md'), 'utf8')

describe('docs/reference/protocol.md', () => {
  it('names for each rule a spec that is there', () => {
    const missing: string[] = []
    const named = [...protocol.matchAll(/`(spec\/[\w./-]+)`,\s"([^"]+)"/g)]
    expect(named.length).to.be.above(50)
    for (const [, file = '', words = ''] of named) {
      const title = words.replaceAll('\n', ' ')
      const text = existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), 'utf8') : ''
      if (!text.includes(title)) missing.push(`${file}: ${title}`)
    }
    expect(missing).to.deep.equal([])
  })

  it('has a spec beside every rule, and numbers them without gaps', () => {
    const rules = protocol.split('\n').filter((line) => /^\*\*[A-Z]\d+\.\*\*/.test(line))
    const paragraphs = protocol.split('\n\n').filter((text) => /^\*\*[A-Z]\d+\.\*\*/.test(text))
    expect(paragraphs.length).to.equal(rules.length)
    for (const text of paragraphs) expect(text, text.slice(0, 40)).to.match(/\(`spec\//)
    const numbers: Record<string, number> = {}
    for (const rule of rules) {
      const [, letter = '', number] = /^\*\*([A-Z])(\d+)/.exec(rule) ?? []
      expect(Number(number), rule.slice(0, 20)).to.equal((numbers[letter] ?? 0) + 1)
      numbers[letter] = Number(number)
    }
  })

  it('has the table of states by which the client goes', () => {
    const lines = protocol.split('\n')
    const start = lines.findIndex((line) => line.startsWith('| phase |'))
    const cells = (line = '') =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', ''))
    const [, ...happenings] = cells(lines[start])
    const rows = lines.slice(start + 2, lines.indexOf('', start))
    expect(rows.length).to.equal(9)
    for (const row of rows) {
      const [phase, ...leads] = cells(row)
      for (const [index, type] of happenings.entries()) {
        const state = { ...INITIAL, phase: phase as Phase, token: true }
        const again = ['retry', 'reopen', 'resume'].includes(type)
        const happening = (again ? { type, expired: false } : { type }) as Happening
        expect(next(state, happening).phase, `${phase} by ${type}`).to.equal(leads[index] || phase)
      }
    }
  })
})

/** Every page that people read: README and its kind, all of docs/, and those of bench/. */
function pages(): string[] {
  const pagesOf = (folder: string) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !name.startsWith('results'))
      .map((name) => join(folder, name))
  return [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'SECURITY.md',
    ...pagesOf('docs'),
    ...pagesOf('bench'),
  ]
}

/** The anchors that a page's headings have. */
function anchorsOf(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8').replace(/^```.*?^```$/gms, '')
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replace(/\s/g, '-'),
  )
}

describe('The pages', () => {
  it('keep their text within 110 columns', () => {
    const long = pages().flatMap((page) =>
      readFileSync(join(ROOT, page), 'utf8')
        // Leaves out code, tables, pictures and the fields of a page.
        .replace(/^---$.*?^---$/ms, '')
        .replace(/^ *(```+).*?^ *\1$/gms, '')
        .split('\n')
        .filter((line) => line.length > 110 && !/^ *(\||<|!\[|alt=)/.test(line))
        .map((line) => `${page}: ${line}`),
    )
    expect(long).to.deep.equal([])
  })

  it('link to nothing that is not there', () => {
    const dead: string[] = []
    for (const page of pages()) {
      const text = readFileSync(join(ROOT, page), 'utf8')
      for (const [, target = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)/g)) {
        const file = target === '' ? page : join(dirname(page), target)
        const there = existsSync(join(ROOT, file))
        if (!there || (anchor && !anchorsOf(file).includes(anchor)))
          dead.push(`${page}: ${target}#${anchor ?? ''}`)
      }
    }
    expect(dead).to.deep.equal([])
    expect(pages().length).to.be.above(15)
  })

  it('ship in the package where README links to them', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    const targets = [...readme.matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, target = '']) => target)
    const packed = (target: string) => /^docs\/.*\.md$/.test(target) || manifest.files.includes(target)
    expect(targets.filter((target) => !packed(target))).to.deep.equal([])
    expect(targets.length).to.be.above(30)
  })

  it('are short where they must be: README has at most 180 lines and 1,300 words', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    expect(readme.split('\n').length).to.be.at.most(180)
    expect(readme.split(/\s+/).length).to.be.at.most(1300)
  })

  it('name every option of the server and of a source', () => {
    const options = readFileSync(join(ROOT, 'docs/reference/options.md'), 'utf8')
    const source = readFileSync(join(ROOT, 'lib/server/options/options.ts'), 'utf8')
    const body = /^export interface ServerOptions.*?^}/ms.exec(source)?.[0] ?? ''
    const names = [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name = '']) => name)
    expect(names.length).to.be.above(10)
    expect(names.filter((name) => !options.includes(`| \`${name}\` |`))).to.deep.equal([])
  })

  it('name every option of the client, every event and every operation', () => {
    const client = readFileSync(join(ROOT, 'docs/reference/client.md'), 'utf8')
    const wire = readFileSync(join(ROOT, 'docs/reference/wire.md'), 'utf8')
    const source = readFileSync(join(ROOT, 'lib/client/options.ts'), 'utf8')
    const body = /^export interface ClientOptions.*?^}/ms.exec(source)?.[0] ?? ''
    const names = [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name = '']) => name)
    expect(names.length).to.be.above(5)
    expect(names.filter((name) => !new RegExp(`\`${name}\\b`).test(client))).to.deep.equal([])
    expect(EVENTS.filter((name) => !wire.includes(`| \`${name}\` |`))).to.deep.equal([])
    const operations = readFileSync(join(ROOT, 'docs/reference/operations.md'), 'utf8')
    expect(
      OPERATIONS.filter((name) => !new RegExp(`^\\|.*\`${name}\`.* \\|`, 'm').test(operations)),
    ).to.deep.equal([])
  })

  it('name every event of onDebug with its fields, and every figure', () => {
    const page = readFileSync(join(ROOT, 'docs/guides/observability.md'), 'utf8')
    const source = readFileSync(join(ROOT, 'lib/server/support/diagnostics.ts'), 'utf8')
    const body = /^export interface DebugFields.*?^}/ms.exec(source)?.[0] ?? ''
    const declared = [...body.matchAll(/^ {2}'?([a-z.]+)'?: (StreamFields & )?\{(.*)\}$/gm)].map(
      ([, name, isOfStream, fields = '']) => {
        const own = [...fields.matchAll(/(\w+)\??:/g)].map(([, field]) => `\`${field}\``)
        return `| \`${name}\` | ${[...(isOfStream ? ['`stream`', '`session`'] : []), ...own].join(', ')} |`
      },
    )
    expect(declared.length).to.equal(DEBUG_NAMES.length)
    expect(declared.filter((row) => !page.includes(`\n${row}`))).to.deep.equal([])
    const stats = readFileSync(join(ROOT, 'lib/server/stats.ts'), 'utf8')
    const figures = [...stats.matchAll(/^export interface .*?^}/gms)].flatMap(([text]) =>
      [...text.matchAll(/^ {2}(\w+): /gm)].map(([, figure = '']) => figure),
    )
    expect(figures.length).to.be.above(10)
    expect(figures.filter((figure) => !new RegExp(`[\`.]${figure}\\b`).test(page))).to.deep.equal([])
  })

  it('name every error code, and no other', () => {
    const errors = readFileSync(join(ROOT, 'docs/reference/errors.md'), 'utf8')
    const source = readFileSync(join(ROOT, 'lib/errors.ts'), 'utf8')
    const codes = [...source.matchAll(/^ {2}\| '(\w+)'$/gm)].map(([, code]) => code)
    expect(codes.length).to.be.above(15)
    expect([...errors.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code)).to.have.members(codes)
  })

  it('name every status of a refusal, with its codes', () => {
    const wire = readFileSync(join(ROOT, 'docs/reference/wire.md'), 'utf8')
    const errors = readFileSync(join(ROOT, 'docs/reference/errors.md'), 'utf8')
    const source = readFileSync(join(ROOT, 'lib/server/http/exchange.ts'), 'utf8')
    const body = /^const STATUS\b.*?^}/ms.exec(source)?.[0] ?? ''
    const statuses = [...body.matchAll(/^ {2}(\w+): (\d+),$/gm)].map(([, code, status]) => ({ code, status }))
    expect(statuses.length).to.be.above(8)
    const missing = statuses.filter(
      ({ code, status }) =>
        !wire.includes(`| ${status} |`) ||
        !new RegExp(`^\\| \`${code}\` .*\\b${status}\\b.* \\|$`, 'm').test(errors),
    )
    expect(missing).to.deep.equal([])
  })

  it('are all in the sidebar of the site, and in llms.txt', () => {
    const listed = SECTIONS.flatMap((section) => section.pages.map(({ file }) => file))
    expect([...listed, 'README.md']).to.have.members(pages())
  })

  it('open with a sentence that says what the page is for', () => {
    const dull = SECTIONS.flatMap((section) => section.pages)
      .filter(({ file }) => file !== 'CHANGELOG.md')
      .filter(({ file }) => !/^[A-Z`].*\.$/.test(purposeOf(readFileSync(join(ROOT, file), 'utf8'))))
    expect(dull).to.deep.equal([])
  })

  it('name every export of every subpath', async () => {
    const api = readFileSync(join(ROOT, 'docs/reference/api.md'), 'utf8')
    const namesOf = (page: string) => [...page.matchAll(/^(?:## .*|\| `\w+`)/gm)].map(([name]) => name)
    const present = await apiPage()
    expect(namesOf(api)).to.deep.equal(namesOf(present))
    expect(present.match(/^.*\| {2}\|$/gm), 'exports without a comment').to.equal(null)
  })
})
