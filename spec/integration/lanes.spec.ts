import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { assign, LANES, specFiles } from '../../scripts/lanes.ts'
import { bundled } from '../support/bundled.ts'
import { until } from '../support/local.ts'
import { isAlive } from '../support/process.ts'

const ROOT = join(import.meta.dirname, '..', '..')

describe('The lanes of the specs', () => {
  it('run each file once', () => {
    const run = assign(specFiles()).flatMap(({ files }) => files)
    expect([...run].sort()).to.deep.equal(specFiles())
    expect(run).to.include('spec/integration/lanes.spec.ts')
  })

  it('are refused where they leave a file out, or name one that is gone', () => {
    const lanes = [{ name: 'some', paths: ['spec/a/', 'spec/a/b.spec.ts'] }]
    const files = ['spec/a/b.spec.ts', 'spec/a/c.spec.ts']
    expect(assign(files, lanes)).to.deep.equal([{ ...lanes[0], files }])
    expect(() => assign([...files, 'spec/d.spec.ts'], lanes)).to.throw('No lane runs spec/d.spec.ts')
    expect(() => assign(files.slice(1), lanes)).to.throw('no spec for spec/a/b.spec.ts')
  })

  it('end with the longest path that names a file', () => {
    const [folder, file] = [
      { name: 'folder', paths: ['spec/'] },
      { name: 'file', paths: ['spec/a.spec.ts'] },
    ]
    expect(
      assign(['spec/a.spec.ts', 'spec/b.spec.ts'], [folder, file]).map((one) => one.files),
    ).to.deep.equal([['spec/b.spec.ts'], ['spec/a.spec.ts']])
    expect(LANES.filter(({ paths }) => paths.length === 0)).to.deep.equal([])
  })

  describe('side by side', function () {
    this.timeout(30_000)
    let folder: string

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'particle-lanes-'))
    })
    afterEach(() => rm(folder, { recursive: true, force: true }))

    /** Runs files with these texts, each in a lane; resolves to the lines that count and the exit code. */
    async function run(texts: string[], options: string[] = [], set = {}): Promise<[string[], number]> {
      const files = texts.map((_, index) => join(folder, `${index}.spec.cjs`))
      await Promise.all(files.map((file, index) => writeFile(file, texts[index] ?? '')))
      const { CI: _, ...env } = process.env
      const args = [await bundled(join(ROOT, 'scripts', 'test.ts')), ...files, ...options]
      return await new Promise((resolve) => {
        execFile(process.execPath, args, { cwd: ROOT, env: { ...env, ...set } }, (error, stdout) => {
          const lines = stdout
            .split('\n')
            .filter((line) => /^skipped: |^failed: the lane|^\d+ passed/.test(line))
          resolve([lines, error ? Number(error.code) : 0])
        })
      })
    }
    const PASS = "it('passes', () => {})"

    it('have one closing line for all', async () => {
      const texts = [PASS, `${PASS}; it('fails', () => { throw new Error() })`, "it.skip('waits', () => {})"]
      expect(await run(texts)).to.deep.equal([['skipped: waits', '2 passed, 1 failed, 1 skipped'], 1])
    })

    it('count as failed where they end before their time', async () => {
      const [lines, code] = await run([PASS, 'process.exit(0)'])
      expect(lines).to.have.length(2)
      expect(lines[0]).to.match(/^failed: the lane .*1\.spec\.cjs ended with code 0$/)
      expect([lines[1], code]).to.deep.equal(['1 passed, 1 failed', 1])
    })

    it('end with what they started, and do not wait for it', async () => {
      const started = join(folder, 'started')
      const leave = `it('leaves a process', () => {
        const { pid } = require('node:child_process').spawn('sleep', ['600'], { stdio: 'inherit' })
        require('node:fs').writeFileSync('${started}', String(pid))
      })`
      expect(await run([PASS, leave])).to.deep.equal([['2 passed, 0 failed'], 0])
      const pid = Number(await readFile(started, 'utf8'))
      await until(() => !isAlive(pid), 'the process ends')
    })

    it('are ended and named after the time that all may take', async () => {
      const hang = `it('hangs', () => { for (;;); })`
      const env = { SPEC_LANES: '1', SPEC_MINUTES: '0.1' }
      const [lines, code] = await run([hang, PASS], [], env)
      expect(lines).to.have.length(3)
      expect(lines[0]).to.match(/^failed: the lane .*0\.spec\.cjs ended after 0\.1 minutes$/)
      expect(lines[1]).to.match(/^failed: the lane .*1\.spec\.cjs did not begin within 0\.1 minutes$/)
      expect([lines[2], code]).to.deep.equal(['0 passed, 2 failed', 1])
    })

    it('give options to mocha', async () => {
      expect(await run([PASS, "it('waits', () => {})"], ['--grep', 'waits'])).to.deep.equal([
        ['1 passed, 0 failed'],
        0,
      ])
      const only = "it.only('passes', () => {})"
      const [lines, code] = await run([PASS, only], ['--forbid-only'])
      expect([lines.at(-1), code]).to.deep.equal(['1 passed, 1 failed', 1])
    })
  })
})
