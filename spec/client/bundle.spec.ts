import { execFileSync } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { browserModule, browserModules } from '../../scripts/browser.ts'

/** Limits each module, minified and gzipped, in bytes. */
const MOST: Record<string, number> = {
  'client.js': 19_500,
  'client/inspect.js': 3_400,
  'client/share.js': 5_350,
  'client/persist.js': 3_600,
}

const built = new Map<string, ReturnType<typeof browserModule>>()

/** Builds a module once for all tests, since each build takes a second or two of CPU time. */
function moduleOf(name: string): ReturnType<typeof browserModule> {
  const known = built.get(name) ?? browserModule(name)
  built.set(name, known)
  return known
}

describe('the bundle for browsers', () => {
  for (const name of browserModules()) {
    it(`has ${name} in at most ${MOST[name]} bytes, minified and gzipped`, async () => {
      const { code } = await moduleOf(name)
      expect(gzipSync(code, { level: 9 }).length).to.be.at.most(MOST[name] ?? 0)
    })

    it(`holds nothing of Node, of the server or of a package in ${name}`, async () => {
      const { code, inputs, imports } = await moduleOf(name)
      const others = browserModules().map((other) => new URL(other, 'file:///').pathname)
      for (const path of imports) expect(others).to.include(new URL(path, `file:///${name}`).pathname)
      const own = /^lib\/(client|model|protocol|words|inspector|errors\.ts)/
      expect(inputs.filter((path) => !own.test(path))).to.deep.equal([])
      expect(new TextDecoder().decode(code)).not.to.match(/node:|\brequire\(|\bprocess\./)
    })

    it(`exports from client.js what ${name} imports from it`, async () => {
      const text = async (of: string) => new TextDecoder().decode((await moduleOf(of)).code)
      const listed = (list = '') => list.split(',').map((each) => each.split(' as ')[0]?.trim())
      const exported = /export\{([^}]*)\}/.exec(await text('client.js'))?.[1] ?? ''
      const names = exported.split(',').map((each) => each.split(' as ').at(-1)?.trim())
      expect(names).to.include.members(['Client', 'ParticleError'])
      for (const [, list] of (await text(name)).matchAll(/import\{([^}]*)\}from"[^"]*client\.js"/g))
        expect(names).to.include.members(listed(list))
    })

    it(`has the classes that a page must have once outside of ${name}`, async () => {
      const { inputs } = await moduleOf(name)
      if (name === 'client.js') expect(inputs).to.include.members(['lib/errors.ts', 'lib/client/client.ts'])
      else expect(inputs).not.to.include('lib/errors.ts').and.not.to.include('lib/client/client.ts')
    })
  }

  it('needs nothing that came to browsers after ES2022', function () {
    this.timeout(60_000)
    const es2022 = ['--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--module', 'nodenext']
    const how = ['--ignoreConfig', '--noEmit', '--strict', '--allowImportingTsExtensions', ...es2022]
    const tsc = ['node_modules/typescript/bin/tsc', ...how, '--types', '', 'lib/client/index.ts']
    expect(() => execFileSync(process.execPath, tsc, { stdio: 'pipe' })).not.to.throw()
  })
})
