import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import type { Document, Id } from '../lib/model/document.ts'
import { createHandler } from '../lib/server/http/middleware.ts'
import { Server } from '../lib/server/index.ts'
import { memory } from '../lib/source/memory/index.ts'
import type { Adapter, Change, CollectionHandle } from '../lib/source/source.ts'
import { type Harness, sourceContract } from './contract/source.contract.ts'
import { type Listening, listen } from './support/http.ts'
import { declarationPaths } from './support/linked.ts'
import { openStream } from './support/sse.ts'

const ROOT = join(import.meta.dirname, '..')
const FOLDER = join(ROOT, 'node_modules', '.cache', 'particle-example')
const LONGEST = 40

/** The class of the page's example. */
interface Maps extends Adapter {
  collection(name: string): CollectionHandle
  put(collection: string, id: Id, document?: Document): void
}

async function exampleOf(page: string, heading: string): Promise<string> {
  const section = (await readFile(join(ROOT, page), 'utf8')).split(`\n## ${heading}\n`)[1]
  const lines = section && /^```ts\n(.*?)^```$/ms.exec(section)?.[1]
  if (!lines) throw new Error(`${page} has no block of ts below ${heading}`)
  return lines
}

describe('The source of docs/sources/your-own.md', () => {
  let lines: string
  let make: () => Maps

  before(async () => {
    lines = await exampleOf('docs/sources/your-own.md', 'An example')
    const sources = { particle: 'index.ts', 'particle/protocol': 'protocol/index.ts' }
    const text = lines.replace(/ from '(particle(?:\/protocol)?)'$/gm, (_all, name: keyof typeof sources) => {
      return ` from '../../../lib/${sources[name]}'`
    })
    await mkdir(FOLDER, { recursive: true })
    await writeFile(join(FOLDER, 'maps.mts'), text)
    await mkdir(join(FOLDER, 'types'), { recursive: true })
    await writeFile(join(FOLDER, 'types', 'maps.mts'), lines)
    const settings = {
      extends: '../../../../tsconfig.json',
      compilerOptions: { paths: declarationPaths('../../../..') },
      include: ['*.mts'],
    }
    await writeFile(join(FOLDER, 'types', 'tsconfig.json'), JSON.stringify(settings))
    const { Maps } = await import(pathToFileURL(join(FOLDER, 'maps.mts')).href)
    make = () => new Maps()
  })

  it(`is of ${LONGEST} lines at most`, () => {
    expect(lines.trimEnd().split('\n').length).to.be.at.most(LONGEST)
  })

  it('has no errors of types', async function () {
    this.timeout(60_000)
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const { stdout } = await promisify(execFile)(process.execPath, [
      tsc,
      '-p',
      join(FOLDER, 'types'),
      '--singleThreaded',
    ]).catch((error) => error)
    expect(stdout).to.equal('')
  })

  sourceContract('the source of docs/sources/your-own.md', async () => await written(make()))

  it('is served, and resumed', async () => {
    const maps = make()
    const server = new Server({
      dataSources: {
        users: { collection: maps.collection('users'), manifest: { name: true }, criteria: { team: 'red' } },
      },
    })
    const listening: Listening = await listen(createHandler(server))
    try {
      maps.put('users', 1, { name: 'Ann', team: 'red', password: 'x' })
      maps.put('users', 2, { name: 'Bo', team: 'blue' })
      const reader = await openStream(`${listening.url}/particle/stream`)
      expect((await reader.next('payload')).data.data).to.deep.equal([{ _id: 1, name: 'Ann' }])
      const { id = '' } = await reader.next('ready')
      maps.put('users', 2, { name: 'Bo', team: 'red' })
      const entered = { operation: 'set', id: 2, path: '.', data: { _id: 2, name: 'Bo' } }
      expect((await reader.next('delta')).data.oplist).to.deep.equal([entered])
      reader.close()
      maps.put('users', 1)
      const again = await openStream(`${listening.url}/particle/stream`, { 'Last-Event-ID': id })
      expect((await again.next('manifest')).data.resumed).to.equal(true)
      await again.next('ready')
      const told = again.events.flatMap((event) => (event.event === 'delta' ? event.data.oplist : []))
      expect(told.map(({ operation, id }) => [operation, id])).to.deep.equal([
        ['set', 2],
        ['unset', 1],
      ])
      again.close()
    } finally {
      await server.disconnect()
      await listening.close()
    }
  })
})

/** The source has no operators of its own: collections in memory work out what becomes of a document, which is then put into it. */
async function written(maps: Maps): Promise<Harness> {
  const shadow = memory()
  const ids = new Map<string, Set<Id>>()
  const put = (change: Change) => {
    const known = ids.get(change.collection) ?? new Set()
    ids.set(change.collection, known)
    if ('id' in change) {
      known.add(change.id)
      maps.put(change.collection, change.id, change.document)
      return
    }
    for (const id of known) maps.put(change.collection, id)
  }
  const ignore = () => {}
  const changes = (told: readonly Change[]) => told.forEach(put)
  const subscription = await shadow.open({ changes, progress: ignore, lost: ignore, error: ignore })
  return {
    adapter: maps,
    collection: (name) => shadow.collection(name),
    exact: false,
    retells: true,
    close: () => subscription.close(),
  }
}
