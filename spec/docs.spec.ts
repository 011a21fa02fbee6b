import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Happening, INITIAL, next, type Phase } from '../lib/client/state.ts'

const ROOT = join(import.meta.dirname, '..')
const protocol = readFileSync(join(ROOT, 'docs/PROTOCOL.md'), 'utf8')

describe('docs/PROTOCOL.md', () => {
  it('names for each rule a spec that is there', () => {
    const missing: string[] = []
    const named = [...protocol.matchAll(/`(spec\/[\w./-]+)`, "([^"]+)"/g)]
    expect(named.length).to.be.above(50)
    for (const [, file = '', title = ''] of named) {
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
    expect(rows.length).to.equal(8)
    for (const row of rows) {
      const [phase, ...leads] = cells(row)
      for (const [index, type] of happenings.entries()) {
        const state = { ...INITIAL, phase: phase as Phase, token: true }
        const happening = (type === 'retry' ? { type, expired: false } : { type }) as Happening
        expect(next(state, happening).phase, `${phase} by ${type}`).to.equal(leads[index] || phase)
      }
    }
  })
})

describe('README.md', () => {
  it('links to nothing that is not there', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    for (const [, target = ''] of readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g))
      expect(existsSync(join(ROOT, target)), target).to.equal(true)
    expect(readdirSync(join(ROOT, 'docs'))).to.include('PROTOCOL.md')
  })
})
