import { type ExecFileException, execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import manifest from '../../package.json' with { type: 'json' }
import { fixture } from '../support/conformance/fixture.ts'
import { type Listening, listen } from '../support/http.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const BIN = join(ROOT, 'dist', 'command', 'main.js')

/** Runs the built command. */
async function particle(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [BIN, ...args], (failure: ExecFileException | null, out, error) =>
      resolve({ code: failure === null ? 0 : Number(failure.code), out, error }),
    )
  })
}

describe('particle conformance, as it is built', () => {
  let app: ReturnType<typeof fixture>
  let listening: Listening

  before(async () => {
    if (!existsSync(BIN)) throw new Error('Build first: npm run build')
    app = fixture()
    listening = await listen(app.handler)
  })
  after(async () => {
    await app.close()
    await listening.close()
  })

  it('writes a line for each case, and the count, and ends with 0', async () => {
    const { code, out, error } = await particle(
      'conformance',
      `${listening.url}/particle`,
      '--filter',
      'R5',
      '--filter',
      'E3',
    )
    expect([code, error]).to.deep.equal([0, ''])
    expect(out).to.equal(
      'ok       R5  a position is taken from a header, from the address and from a body\n' +
        'ok       E3  a stream begins with manifest, then sends each root, then ready\n' +
        '2 ok, 0 not ok, 0 skipped\n',
    )
  })

  it('ends with 1 after a failure, with the reason, and skips what the fixture lacks', async () => {
    const args = ['--filter', 'A1', '--filter', 'R5', '--timeout', '500', '--jobs', '1']
    const away = await particle('conformance', `${listening.url}/elsewhere`, ...args)
    expect(away.code).to.equal(1)
    expect(away.out).to.include('not ok   R5  ').and.include('the status of a handshake is 404')
    const bare = ['--fixture', `${listening.url}/nothing`, '--json']
    const { code, out } = await particle('conformance', `${listening.url}/particle`, ...bare, ...args)
    expect(code).to.equal(0)
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines[1]).to.include({ rule: 'A1', result: 'skipped' })
    expect(lines[1].reason).to.include('the fixture has no route')
    expect(lines.at(-1)).to.deep.equal({ ok: 1, failed: 0, skipped: 1 })
  })

  it('lists the cases, and the rules without one', async () => {
    const { code, out } = await particle('conformance', '--list')
    expect(code).to.equal(0)
    expect(out).to.match(/^server {2}R1 {2}/m)
    expect(out).to.match(/^client {2}E12 /m)
    expect(out).to.match(/^none {4}S3 {2}needs a network/m)
    const json = await particle('conformance', '--list', '--json', '--filter', 'E12')
    for (const line of json.out.trimEnd().split('\n')) expect(JSON.parse(line)).to.have.property('rule')
  })

  it('is described by --help and by its page, option by option', async () => {
    const { code, out } = await particle('conformance', '--help')
    expect(code).to.equal(0)
    const page = readFileSync(join(ROOT, 'docs', 'reference', 'conformance.md'), 'utf8')
    for (const option of ['--client', '--fixture', '--filter', '--list', '--json', '--timeout', '--jobs']) {
      expect(out).to.include(option)
      expect(page).to.match(new RegExp(`^\\| \`${option}\\b`, 'm'))
    }
  })

  for (const [args, message] of [
    [[], 'conformance takes the address of a server'],
    [['http://a/', '--client', 'node x'], 'conformance takes the address of a server'],
    [['localhost:3000'], 'an address begins with http:// or https://'],
    [['--client', 'node x', '--fixture', 'http://a/'], 'takes no --client'],
    [['http://a/', '--jobs', '0'], '--jobs is a whole number above 0'],
  ] as [string[], string][]) {
    it(`refuses ${args.join(' ') || 'no address'}`, async () => {
      const { code, error } = await particle('conformance', ...args)
      expect(code).to.equal(2)
      expect(error).to.include(message)
    })
  }
})

describe('particle --version', () => {
  it('is that of the package', async () => {
    expect(await particle('--version')).to.deep.equal({ code: 0, out: `${manifest.version}\n`, error: '' })
  })
})
