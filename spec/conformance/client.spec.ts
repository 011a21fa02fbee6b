import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { pageDriver, problemsOf, runPack } from '../support/conformance/run.ts'
import { linkedFolder } from '../support/linked.ts'

const BIN = join(import.meta.dirname, '..', '..', 'dist', 'command', 'main.js')

describe('The pack, with the driver of its page', () => {
  let folder: string
  let driver: string

  before(async () => {
    if (!existsSync(BIN)) throw new Error('Build first: npm run build')
    folder = await linkedFolder()
    driver = await pageDriver(folder)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('passes the client of this package', async () => {
    const { code, outcomes } = await runPack({ client: driver })
    expect(problemsOf(outcomes)).to.deep.equal([])
    expect(code).to.equal(0)
    expect(outcomes.length).to.be.above(90)
  })
})
