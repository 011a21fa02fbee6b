import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { build } from 'esbuild'
import { install, outputOf, pack, ROOT, run } from '../support/packed.ts'
import { freePort } from '../support/process.ts'

/** A consumer's module; the errors it expects prove that the types are there, and not `any`. */
const consumer = (imports: string) => `${imports}
const options: ServerOptions = {
  identityLookup: (identity) => ({ userId: identity.name }),
  dataSources: { users: { collection: memory().collection('users'), manifest: { name: true }, criteria: { _id: '@userId' } } },
}
express().use(particle.middleware(options))
const server = new particle.Server(options)
const connections: number = server.stats().connections
const client: Client = new Client({ url: 'http://localhost:3000/particle', onStatus: (status) => status === 'ready' })
const other = new particle.Client({ url: 'http://localhost:3000/particle' })
const path: (string | { id: string })[] = parsePath('todos[5].done')
const code: ErrorCode = new particle.ParticleError('CLOSED', 'It is closed.').code
const typed = { dataSources: { users: { collection: memory().collection<{ _id: number; born: Date; password: string }>('users'), manifest: { born: true } } } }
new particle.Server(typed)
const born: string | undefined = new particle.Client<typeof typed>().data.users?.[0]?.born
// @ts-expect-error: the manifest doesn't list it
new Client<typeof typed>().data.users?.[0]?.password
// @ts-expect-error: no sources
new particle.Server({})
// @ts-expect-error: no such code
const wrong: ErrorCode = 'NONE'
// @ts-expect-error: a manifest lists what is visible
const hidden: Manifest = { name: false }
// @ts-expect-error: no such name
particle.nothing
const all = { born, connections, client, other, path, code, wrong, hidden }
`

describe('The packed package, installed into an empty folder', function () {
  this.timeout(120_000)
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'particle-package-'))
    const { devDependencies } = await manifestOf(ROOT)
    const others = [
      'express',
      'mongodb',
      'redis',
      '@tanstack/db',
      'prom-client',
      '@opentelemetry/api',
      'react',
      'vue',
      'svelte',
      'solid-js',
      '@types/react',
      'typescript',
      '@types/node',
      '@types/express',
    ]
    const wanted = others.map((name) => `${name}@${devDependencies[name]}`)
    await install(folder, await pack(), ...wanted)
  })

  after(async () => {
    if (folder) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  it("runs README's first lines as they stand", async () => {
    await writeFile(join(folder, 'server.mjs'), await firstLines())
    await expectUsersFrom(join(folder, 'server.mjs'))
  })

  it("runs README's first lines by require", async () => {
    const lines = await firstLines()
    const required = lines.replace(/^import (.+) from ('.+')$/gm, 'const $1 = require($2)')
    expect(required).to.include("const particle = require('particle')")
    const body = required.replace(/^(const .+ = require\(.+\)\n)+/, (head) => `${head};(async () => {\n`)
    await writeFile(join(folder, 'server.cjs'), `${body}\n})()\n`)
    await expectUsersFrom(join(folder, 'server.cjs'))
  })

  it('gives every subpath by import and by require', async () => {
    const { exports } = await manifestOf(join(folder, 'node_modules', 'particle'))
    const names = Object.keys(exports).filter((name) => name !== './package.json')
    expect(names).to.include.members([
      '.',
      './client',
      './client/inspect',
      './protocol',
      './memory',
      './mongo',
      './postgres',
      './mariadb',
      './redis',
      './fetch',
      './react',
      './vue',
      './svelte',
      './solid',
      './tanstack',
      './metrics',
      './otel',
    ])
    const paths = JSON.stringify(names.map((name) => `particle${name.slice(1)}`))
    const script = `for (const path of ${paths}) {
      const [imported, required] = [await import(path), require(path)]
      for (const name of Object.keys(imported)) {
        if (imported[name] !== required[name]) throw new Error(path + ' differs in ' + name)
      }
      console.log(path, Object.keys(imported).length > 0)
    }`
    await writeFile(join(folder, 'paths.cjs'), `(async () => {\n${script}\n})()\n`)
    const { stdout } = await run(process.execPath, ['--no-warnings', 'paths.cjs'], { cwd: folder })
    expect(stdout.trim().split('\n')).to.deep.equal(JSON.parse(paths).map((path: string) => `${path} true`))
  })

  it('gives the command particle, which asks for pg where it is missing', async () => {
    const bin = join(
      folder,
      'node_modules',
      '.bin',
      process.platform === 'win32' ? 'particle.cmd' : 'particle',
    )
    const call = (...args: string[]) =>
      run(bin, args, { cwd: folder, shell: process.platform === 'win32' }).catch(outputOf)
    expect(await call('--help'))
      .to.deep.include({ stderr: '' })
      .and.nested.property('stdout')
      .include('install')
    const remove = ['postgres', 'remove', '--url', 'postgres://127.0.0.1:1/none']
    expect(await call(...remove)).to.equal('particle: the package pg is not installed: npm install pg\n')
    const pg = join(folder, 'node_modules', 'pg')
    await symlink(join(ROOT, 'node_modules', 'pg'), pg, 'junction')
    expect(await call(...remove)).to.include("can't connect to PostgreSQL: connect ECONNREFUSED")
    await rm(pg)
  })

  it('has types for ES modules and CommonJS modules', async () => {
    const types = 'import type { ErrorCode, Manifest, ServerOptions }'
    const imported = `import express from 'express'
      import particle from 'particle'
      ${types} from 'particle'
      import { Client } from 'particle/client'
      import { indexedDB } from 'particle/client/persist'
      import { memory } from 'particle/memory'
      import { MongoWatch, mongo } from 'particle/mongo'
      import { parsePath } from 'particle/protocol'
      import { redis } from 'particle/redis'
      import { particleCollectionOptions } from 'particle/tanstack'
      import { createClient } from 'redis'
      export const watched = [indexedDB, mongo, MongoWatch, redis(createClient()).collection('users').update, particleCollectionOptions]`
    const required = imported.replace(/^ *import (\w+) from ('.+')$/gm, 'import $1 = require($2)')
    expect(required).to.include("import particle = require('particle')")
    await writeFile(join(folder, 'module.mts'), `${consumer(imported)}export default all\n`)
    await writeFile(join(folder, 'common.cts'), `${consumer(required)}export { all }\n`)
    const checked =
      "const particle = require('particle')\n// @ts-expect-error: no sources\nparticle.middleware({})\n"
    await writeFile(join(folder, 'script.cjs'), `${checked}module.exports = new particle.Client()\n`)
    const files = ['module.mts', 'common.cts', 'script.cjs']
    const tsc = [join('node_modules', 'typescript', 'bin', 'tsc'), '--noEmit', '--strict']
    // Leaves out the compiler's own declarations. Its threads would repeat much of each other's work.
    tsc.push('--skipDefaultLibCheck', '--singleThreaded')
    const common = ['--target', 'es2023', '--types', 'node', '--allowJs', '--checkJs']
    const check = (...options: string[]) => {
      const checking = run(process.execPath, [...tsc, ...common, ...options], { cwd: folder })
      return checking.then(() => '', outputOf)
    }
    expect(await check('--module', 'nodenext', ...files)).to.equal('')
    expect(await check('--module', 'node16', ...files)).to.equal('')
    expect(await check('--module', 'esnext', '--moduleResolution', 'bundler', 'module.mts')).to.equal('')
  })

  it('has types for each framework', async () => {
    const text = ['react', 'vue', 'svelte', 'solid'].map(
      (name) => `export { useParticle as ${name}, useWatch as ${name}Watch } from 'particle/${name}'
      // @ts-expect-error: no such name
      export { nothing as ${name}Nothing } from 'particle/${name}'\n`,
    )
    await writeFile(join(folder, 'frameworks.mts'), text.join(''))
    const tsc = [join('node_modules', 'typescript', 'bin', 'tsc'), '--noEmit', '--strict', '--skipLibCheck']
    const options = ['--target', 'es2023', '--module', 'nodenext', 'frameworks.mts']
    const checking = run(process.execPath, [...tsc, ...options], { cwd: folder })
    expect(await checking.then(() => '', outputOf)).to.equal('')
  })

  it('gives bundlers for the browser a client without Node', async () => {
    const contents = "import { Client } from 'particle/client'\nnew Client()\n"
    const { metafile, outputFiles } = await build({
      stdin: { contents, resolveDir: folder },
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      metafile: true,
      write: false,
    })
    expect(outputFiles).to.have.lengthOf(1)
    const inputs = Object.keys(metafile.inputs).map((input) => input.replace(/^.*node_modules\//, ''))
    expect(inputs).to.include('particle/dist/client/client.js')
    const foreign = inputs.filter((input) => !/^(particle\/dist\/|<stdin>)/.test(input))
    expect(foreign).to.deep.equal([])
  })

  it('holds what its users need, and nothing else', async () => {
    const names = await readdir(join(folder, 'node_modules', 'particle'))
    expect(names.sort()).to.deep.equal([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'dist',
      'docs',
      'package.json',
    ])
  })
})

async function manifestOf(
  root: string,
): Promise<{ devDependencies: Record<string, string>; exports: Record<string, unknown> }> {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
}

async function firstLines(): Promise<string> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const lines = /^```js\n(.*?)^```$/ms.exec(readme)?.[1]
  if (lines === undefined) throw new Error('README.md has no block of js')
  return lines
}

/** Starts a server of README's first lines and reads of its stream what a visitor of the page would: a user, and a change of him. */
async function expectUsersFrom(file: string): Promise<void> {
  const port = await freePort()
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, PORT: String(port), NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaints += chunk
  })
  try {
    const url = `http://127.0.0.1:${port}`
    const response = await untilItListens(`${url}/particle/stream`, child, () => complaints)
    expect(response.status).to.equal(200)
    expect(response.headers.get('content-type')).to.match(/^text\/event-stream/)
    const text = await readUntil(response, 'event: delta')
    expect(text).to.match(/event: manifest\n.*event: payload\n.*"Ada".*event: ready\n.*event: delta\n/s)
    expect(text).to.not.include('password').and.not.include('not for you')
    expect(await (await fetch(url)).text()).to.include('/particle/client.js')
    expect(await (await fetch(`${url}/particle/client.js`)).text()).to.match(/export\s*\{.*\bClient\b/s)
    expect(complaints).to.equal('')
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

async function untilItListens(url: string, child: ChildProcess, complaints: () => string): Promise<Response> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`The server ended at once:\n${complaints()}`)
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) }).catch(() => undefined)
    if (response) return response
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`Nothing answers at ${url}:\n${complaints()}`)
}

async function readUntil(response: Response, part: string): Promise<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (reader && !text.includes(part)) {
    const { value, done } = await reader.read()
    if (done) break
    text += value
  }
  await reader?.cancel()
  return text
}
