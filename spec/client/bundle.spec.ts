import { execFileSync } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { build } from 'esbuild'

const MOST = 21_950

async function bundle(): Promise<{ code: Uint8Array; inputs: string[]; imports: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: ['lib/client/index.ts'],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
  })
  const [file] = outputFiles
  if (!file) throw new Error('esbuild wrote nothing')
  const [output] = Object.values(metafile.outputs)
  return {
    code: file.contents,
    inputs: Object.keys(metafile.inputs),
    imports: output?.imports.map(({ path }) => path) ?? [],
  }
}

describe('the bundle for browsers', () => {
  it(`is at most ${MOST} bytes, minified and gzipped`, async () => {
    const { code } = await bundle()
    expect(gzipSync(code, { level: 9 }).length).to.be.at.most(MOST)
  })

  it('needs nothing that came to browsers after ES2022', function () {
    this.timeout(60_000)
    const es2022 = ['--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--module', 'nodenext']
    const how = ['--ignoreConfig', '--noEmit', '--strict', '--allowImportingTsExtensions', ...es2022]
    const tsc = ['node_modules/typescript/bin/tsc', ...how, '--types', '', 'lib/client/index.ts']
    expect(() => execFileSync(process.execPath, tsc, { stdio: 'pipe' })).not.to.throw()
  })

  it('holds nothing of Node, of the server or of a package other than the parser of events', async () => {
    const { code, inputs, imports } = await bundle()
    expect(imports).to.deep.equal([])
    const own = /^lib\/(client|model|protocol|errors\.ts)|node_modules\/eventsource-parser\//
    expect(inputs.filter((path) => !own.test(path))).to.deep.equal([])
    expect(new TextDecoder().decode(code)).not.to.match(/node:|\brequire\(|\bprocess\./)
  })
})
