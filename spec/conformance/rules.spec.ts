import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { CLIENT_CASES } from '../../lib/command/conformance/client/stage.ts'
import { UNTESTED } from '../../lib/command/conformance/rules.ts'
import { SERVER_CASES } from '../../lib/command/conformance/server/stage.ts'

const protocol = readFileSync(join(import.meta.dirname, '../../docs/reference/protocol.md'), 'utf8')

describe('The cases of the pack', () => {
  const cases = [...CLIENT_CASES, ...SERVER_CASES]
  const tested = new Set(cases.map(({ rule }) => rule))

  it('leave no rule of the protocol out, save for those that give a reason', () => {
    const rules = [...protocol.matchAll(/^\*\*([A-Z]\d+)\.\*\*/gm)].map(([, rule = '']) => rule)
    expect(rules.length).to.be.above(60)
    expect(rules.filter((rule) => tested.has(rule) === Object.hasOwn(UNTESTED, rule))).to.deep.equal([])
    expect([...tested, ...Object.keys(UNTESTED)].filter((rule) => !rules.includes(rule))).to.deep.equal([])
  })

  it('have titles of their own, by which they are chosen', () => {
    for (const list of [CLIENT_CASES, SERVER_CASES]) {
      const names = list.map(({ rule, title }) => `${rule} ${title}`)
      expect(names.filter((name, index) => names.indexOf(name) !== index)).to.deep.equal([])
    }
  })
})
