import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Outcome } from '../../lib/command/conformance/runner.ts'
import { commandOf, problemsOf, runAll, runPack, writeDrivers } from '../support/conformance/run.ts'
import { linkedFolder } from '../support/linked.ts'

const BIN = join(import.meta.dirname, '..', '..', 'dist', 'command', 'main.js')

/** What clients with a mistake are found out by: the rule, a part of the case's title, and the reason. */
const FOUND: readonly [mutant: string, rule: string, title: string, reason: RegExp][] = [
  ['names no identity', 'R1', 'presents the identity', /identity of the handshake is null/],
  ['names no previous token', 'R1', 'as previous', /previous in the second handshake is undefined/],
  ['presents no position', 'R5', 'presents its position', /should be "p1"/],
  ['ignores reached', 'E15', 'waits for a position', /"reached" did not happen/],
  ['takes live for true', 'R11', 'on another node', /did not happen/],
  ['takes live for true', 'C7', 'on a node without the stream', /live: false/],
  ['decodes each piece by itself', 'E1', 'pieces that end anywhere', /für/],
  ['loses an empty id', 'E1', 'of two lines id:', /"p1", and should be ""/],
  ['fails at an unknown event', 'E2', 'whose data is not JSON', /reconnecting/],
  ['shows a root before its last part', 'E4', 'with its last part', /notes is \[{"_id":1}\]/],
  ['applies a part of a delta', 'E5', 'changes nothing', /notes is \[{"_id":1,"n":2}\]/],
  ['ignores the heartbeat', 'E9', 'two and a half heartbeats', /did not ask for "stream"/],
  ['ignores session', 'E10', 'takes the place', /"t1", and should be "renewed"/],
  ['ignores at', 'E11', 'a new document is inserted there', /notes is \[{"_id":1},{"_id":2}/],
  ['inserts at the front', 'E11', 'goes to the end', /notes is \[{"_id":4}/],
  ['applies more at once', 'E12', 'a delta with more', /from is \[{"_id":1,"n":6}\]/],
  ['applies more at once', 'P2', 'within a moment', /from is \[{"_id":1,"n":2}\]/],
  ['increases by 0 without data', 'O3', 'inc', /is {"_id":0,"a":1}/],
  ['presents the first position for ever', 'P1', 'of the last event', /"p1", and should be "P/],
  ['ignores a reset', 'P3', 'until the next one', /"p1", and should be ""/],
  ['loses id: none', 'P4', 'id: none', /not "p1"/],
  ['ignores resumed: false', 'P8', 'withdraws the position', /"p1", and should be ""/],
  ['ignores expiresAt', 'C1', 'has expired', /"t1", and should be "t2"/],
  ['ignores Retry-After', 'C2', 'Retry-After', /not after the 3 s/],
  ['starts at no malformed event', 'C3', 'data that is not JSON', /did not ask for "stream"/],
  ['takes every 401 for final', 'C4', 'of any other form', /did not ask for "stream"/],
  ['tries again after every 401', 'C4', 'own form is final', /the client is refused/],
  ['ignores revoked', 'C4', 'that is revoked', /the client is refused/],
  ['ignores renew', 'C7', 'leaves a stream open', /did not ask for "handshake"/],
  ['writes parameters with spaces', 'W1', 'with sorted keys', /"all\\": true/],
  ['ignores watching', 'W5', 'lacks is gone', /"status":"ready"/],
  ['never asks to remove a root', 'W3', 'watched no more', /the roots to remove is \[\]/],
  ['names no held roots', 'W8', 'with another list', /watch and held is/],
]

describe('The pack, with the driver of its page', function () {
  this.timeout(180_000)
  let folder: string
  let driver: string

  before(async () => {
    if (!existsSync(BIN)) throw new Error('Build first: npm run build')
    folder = await linkedFolder()
    await writeDrivers(folder)
    driver = join(folder, 'driver.mjs')
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('passes the client of this package', async () => {
    const { code, outcomes } = await runPack({ client: commandOf(driver) })
    expect(problemsOf(outcomes)).to.deep.equal([])
    expect(code).to.equal(0)
    expect(outcomes.length).to.be.above(90)
  })

  describe('finds a client that', () => {
    const outcomes = new Map<string, Outcome[]>()

    before(async () => {
      await runAll(FOUND, async ([mutant, rule, title]) => {
        // Some clients are found by what they do not do in time. The longest wait of a right one here is 3 s.
        const run = await runPack({ client: commandOf(driver, mutant), filter: [title], timeout: 6_000 })
        outcomes.set(`${mutant} ${rule}`, run.outcomes)
      })
    })

    for (const [mutant, rule, title, reason] of FOUND) {
      it(`${mutant}, by ${rule}`, () => {
        const own = outcomes.get(`${mutant} ${rule}`)?.filter((each) => each.rule === rule)
        const found = own?.find((each) => each.title.includes(title))
        expect(found?.result, found?.reason).to.equal('not ok')
        expect(found?.reason).to.match(reason)
      })
    }
  })

  it('skips what the driver does not support, and fails with what the process says when it ends', async () => {
    const silent = await runPack({
      client: commandOf(join(folder, 'limited.mjs')),
      filter: ['E15', 'W1'],
    })
    expect(silent.outcomes.map(({ result }) => result)).to.deep.equal(['skipped', 'skipped', 'skipped'])
    expect(silent.code).to.equal(0)
    const broken = await runPack({
      client: `"${process.execPath}" -e "throw Error('no driver')"`,
      filter: ['R5'],
    })
    expect(broken.code).to.equal(1)
    expect(broken.outcomes[0]?.reason).to.match(/The driver has ended \(exit code 1\)[\s\S]*no driver/)
    const talks = await runPack({ client: 'echo hello', filter: ['R5'] })
    expect(talks.outcomes[0]?.reason).to.include('no answer to a command: "hello"')
  })

  for (const [what, program, reason] of [
    ['writes for ever', "for (;;) fs.writeSync(1, 'y\\n'.repeat(9999))", 'no answer to a command: "y"'],
    [
      'never ends a line',
      "for (;;) fs.writeSync(1, ' '.repeat(99999))",
      'a line of more than 67108864 bytes',
    ],
    ['says nothing', 'setInterval(() => {}, 1000)', 'did not happen within 3000 ms'],
  ] as const)
    it(`comes to its end with a driver that ${what}`, async () => {
      const { code, outcomes } = await runPack({
        client: `"${process.execPath}" -e "${program}"`,
        filter: ['R5'],
        timeout: 3_000,
      })
      expect(code).to.equal(1)
      for (const outcome of outcomes) expect(outcome.reason).to.include(reason)
    })
})
