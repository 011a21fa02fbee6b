import type { RequestListener, ServerResponse } from 'node:http'
import { expect } from 'chai'
import type { Outcome } from '../../lib/command/conformance/runner.ts'
import { fixture } from '../support/conformance/fixture.ts'
import { problemsOf, runAll, runPack } from '../support/conformance/run.ts'
import { type Tampering, tampered } from '../support/conformance/tampering.ts'
import { type Listening, listen } from '../support/http.ts'

const drop = (name: string) => (frame: string) => (frame.includes(`event: ${name}\n`) ? ': past' : frame)
const replace = (from: string | RegExp, to: string) => (frame: string) => frame.replace(from, to)

const withoutPosition: Tampering['headers'] = (headers) => {
  delete headers['last-event-id']
}

/** Servers with a mistake, and what they are found out by: the rule, a part of the case's title, the reason. */
const FOUND: readonly [mistake: string, Tampering, rule: string, title: string, reason: RegExp][] = [
  [
    'forgets last',
    { frame: replace('"last":true', '"last":false') },
    'E4',
    'the parts of a payload',
    /without|last/,
  ],
  ['sends the manifest late', { frame: drop('manifest') }, 'E3', 'begins with manifest', /not payload/],
  ['says nothing of the position of a write', { frame: drop('reached') }, 'E15', 'reached comes', /without/],
  ['never pings', { frame: drop('ping') }, 'E9', 'a ping comes', /without a ping/],
  ['never renews', { frame: drop('session') }, 'E10', 'is renewed', /without session/],
  [
    'ends lines with CR and LF',
    { frame: (frame) => frame.replaceAll('\n', '\r\n') },
    'E1',
    'LF alone',
    /read|LF/,
  ],
  ['forgets more', { frame: replace(',{"more":true}', '') }, 'E12', 'have more', /\[false,false\]/],
  [
    'forgets places',
    { frame: replace(/(\["(?:set|noop)",[^[\]]*),\d+\]/g, '$1]') },
    'E11',
    'comes with its place',
    /\[40,30,35\]/,
  ],
  [
    'sends an id too early',
    { frame: replace(/^(?:id: .*\n)?(event: delta\n.*"more":true)/, 'id: early\n$1') },
    'P2',
    'of several roots',
    /\[true,true\]/,
  ],
  ['forgets ids', { frame: replace(/^id: .*\n/, '') }, 'P1', 'has an id', /ready has an id/],
  [
    'shows a hidden field',
    { frame: replace('"city":"Rome"', '"city":"Rome","code":"hidden"') },
    'E7',
    'outside of the manifest',
    /hidden/,
  ],
  ['splits a transaction', { frame: split }, 'E5', 'one delta for each root', /number of deltas/],
  ['resumes nothing', { headers: withoutPosition }, 'P9', 'change by change', /resumed is false/],
  ['resumes nothing', { headers: withoutPosition }, 'P6', 'on another node', /resumed is false/],
  [
    'claims to resume',
    { frame: replace('"resumed":false', '"resumed":true') },
    'P8',
    'clean reset',
    /\[true,/,
  ],
  [
    'gives another reason',
    { frame: replace('position-unknown', 'lost') },
    'P4',
    'comes back with none',
    /"lost"/,
  ],
  ['answers 200 to a bad token', { status: () => 200 }, 'R3', 'without a valid token', /status is 200/],
  ['answers 200 to a forged token', { status: () => 200 }, 'R6', 'that was changed', /status is 200/],
  [
    'mistakes a wrong type for a malformed body',
    { status: (status) => (status === 415 ? 400 : status) },
    'R2',
    'of another type',
    /is 400/,
  ],
  [
    'forgets the version',
    { json: ({ protocol, ...body }) => body },
    'R1',
    'what a client needs',
    /protocol and live/,
  ],
  [
    'forgets sessions',
    { json: (body) => ({ ...body, session: Math.random() }) },
    'R1',
    'continues the session',
    /the session is/,
  ],
  [
    'says live to everybody',
    { json: (body) => ({ ...body, live: true }) },
    'R10',
    'says live: false',
    /live is true/,
  ],
  [
    'gives a ticket to everybody',
    { json: (body) => ({ ...body, stream: '/particle/stream?token=x' }) },
    'R8',
    'sends its token itself',
    /no ticket/,
  ],
  [
    'says nothing to who is revoked',
    { frame: drop('revoked') },
    'A1',
    'ends the streams',
    /without the event revoked/,
  ],
  [
    'takes nothing away',
    { frame: (frame) => (frame.includes('["unset",') ? ': past' : frame) },
    'A2',
    'take what is lost',
    /tasks is/,
  ],
  [
    'resets with an id',
    { frame: replace(/^(?:id:.*\n)+event: reset/, 'id: x\nevent: reset') },
    'S1',
    'falls behind',
    /id of the event reset/,
  ],
  [
    'names roots with spaces',
    { frame: replace(/messages\?\{\\"room\\":/g, 'messages?{ \\"room\\":') },
    'W1',
    'that watches it',
    /./,
  ],
  [
    'gives another code',
    { frame: replace('INVALID_PARAMS', 'FORBIDDEN') },
    'W2',
    'of another type',
    /"FORBIDDEN"/,
  ],
  ['refuses nobody', { frame: drop('error') }, 'W4', 'is refused alone', /without an error/],
  ['adds nothing', { frame: drop('watching') }, 'W3', 'are added to the open stream', /without|watching/],
  ['ends roots in silence', { frame: drop('error') }, 'W5', 'ends with the right', /without an error/],
  ['has no limit', { frame: replace('LIMIT_EXCEEDED', 'OTHER') }, 'W6', 'than the limit', /OTHER/],
  ['sends a window again', { frame: again }, 'W7', 'only the difference', /without messages/],
  ['ignores held', { url: (url) => url.replace(/&held=[^&]*/, '') }, 'W8', 'in both lists', /./],
]

/** Splits the operations of a delta over two events. */
function split(frame: string): string {
  const [, head = '', json = ''] = /^([\s\S]*event: delta\ndata: )(.*)$/.exec(frame) ?? []
  const [root, first, ...rest]: unknown[] = json === '' ? [] : JSON.parse(json)
  if (!rest.some(Array.isArray)) return frame
  return `${head}${JSON.stringify([root, first])}\n\n${head}${JSON.stringify([root, ...rest])}`
}

/** Sends a payload of a root again before a delta of it. */
function again(frame: string): string {
  const [, root] = /event: delta\ndata: \[("messages[^,]*)",/.exec(frame) ?? []
  if (root === undefined) return frame
  return `event: payload\ndata: {"root":${root}","timestamp":"x","data":[],"part":0,"last":true}\n\n${frame}`
}

/** Writes as much as is read, for ever. */
function endless(response: ServerResponse): void {
  const text = 'x'.repeat(65_536)
  const write = () => {
    while (!response.destroyed && response.write(text));
  }
  response.on('drain', write)
  write()
}

describe('The pack, with a fixture of this package', function () {
  this.timeout(180_000)
  let app: ReturnType<typeof fixture>
  let listening: Listening

  before(async () => {
    app = fixture()
    listening = await listen(app.handler)
  })
  after(async () => {
    await app.close()
    await listening.close()
  })

  it('passes the server of this package', async () => {
    const { code, outcomes } = await runPack({ url: `${listening.url}/particle` })
    expect(problemsOf(outcomes)).to.deep.equal([])
    expect(code).to.equal(0)
    expect(outcomes.length).to.be.above(65)
  })

  it('skips the cases of roots that the fixture leaves out', async () => {
    const left = ['accounts', 'savings', 'top', 'messages']
    const small = fixture(left)
    const its = await listen(small.handler)
    const filter = ['W4', 'E11', 'E12', 'R5']
    const { code, outcomes } = await runPack({ url: `${its.url}/particle`, filter })
    await small.close()
    await its.close()
    expect(code).to.equal(0)
    for (const { rule, result } of outcomes)
      expect([rule, result]).to.deep.equal([rule, rule === 'R5' ? 'ok' : 'skipped'])
    expect(outcomes.length).to.equal(6)
  })

  const hopeless: [what: string, answer: RequestListener, reason: RegExp][] = [
    ['never answers', () => {}, /no answer within 200 ms/],
    ['answers without an end', (_, response) => endless(response.writeHead(200)), /answer/],
    [
      'begins its answers',
      (_, response) => void response.writeHead(200).write('{'),
      /did not happen within 200/,
    ],
    [
      'breaks its answers off',
      (_, response) => response.writeHead(200).write('{', () => response.destroy()),
      /./,
    ],
    ['ends every connection', ({ socket }) => socket.destroy(), /socket hang up/],
  ]
  for (const [what, answer, reason] of hopeless)
    it(`comes to its end with a server that ${what}`, async () => {
      const its = await listen(answer)
      const { code, outcomes } = await runPack({ url: `${its.url}/particle`, timeout: 200, jobs: 100 })
      await its.close()
      expect(code).to.equal(1)
      expect(outcomes.length).to.be.above(65)
      expect(outcomes[0]).to.include({ rule: 'R1', result: 'not ok' })
      expect(outcomes[0]?.reason).to.match(reason)
    })

  describe('finds a server that', () => {
    const outcomes = new Map<string, Outcome | undefined>()

    before(async () => {
      const run = async ([mistake, tampering, rule, title]: (typeof FOUND)[number]) => {
        const proxy = await tampered(listening.url, tampering)
        // Some servers are found by what they do not do in time.
        const { outcomes: all } = await runPack({
          url: `${proxy.url}/particle`,
          filter: [title],
          timeout: rule === 'E10' ? 7_000 : 5_000,
        })
        await proxy.close()
        outcomes.set(
          `${mistake} ${rule}`,
          all.find((each) => each.rule === rule),
        )
      }
      // What this case writes is more than the log holds that the others resume from.
      const isFlood = ([, , rule]: (typeof FOUND)[number]) => rule === 'S1'
      await runAll(
        FOUND.filter((each) => !isFlood(each)),
        run,
      )
      await runAll(FOUND.filter(isFlood), run)
    })

    for (const [mistake, , rule, , reason] of FOUND) {
      it(`${mistake}, by ${rule}`, () => {
        const found = outcomes.get(`${mistake} ${rule}`)
        expect(found?.result, found?.reason).to.equal('not ok')
        expect(found?.reason).to.match(reason)
      })
    }
  })
})
