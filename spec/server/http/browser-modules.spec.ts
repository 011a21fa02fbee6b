import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { expect } from 'chai'
import request from 'supertest'
import { importMap } from '../../../lib/server/http/browser-modules.ts'
import { Server } from '../../../lib/server/server.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { buildBrowser } from '../../../scripts/browser.ts'

const CLIENT_SCRIPT = new URL('../../../dist/browser/client.js', import.meta.url)
const MODULES = new URL('modules.json', CLIENT_SCRIPT)

const make = () => {
  const server = new Server({
    dataSources: { users: { manifest: true, collection: memory().collection('users') } },
  })
  return { http: createServer(server.middleware()) }
}

describe('the modules for browsers', () => {
  before(async () => {
    if (!existsSync(MODULES)) await buildBrowser()
  })

  it('are asked for again with their ETags', async () => {
    const { http } = make()
    const first = await request(http).get('/particle/client.js').expect(200)
    expect(first.headers['content-type']).to.equal('text/javascript; charset=utf-8')
    expect(first.headers['cache-control']).to.equal('no-cache')
    expect(first.text)
      .to.match(/export\s*\{/)
      .and.not.match(/from\s*["']|import\s*["']/)
    const etag = first.headers.etag ?? ''
    expect(etag).to.match(/^"[\w-]+"$/)
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await request(http).get('/particle/client.js').set('If-None-Match', tag)
      expect(again.status, tag).to.equal(304)
      expect(again.text).to.equal('')
      expect(again.headers.etag).to.equal(etag)
    }
    await request(http).get('/particle/client.js').set('If-None-Match', '"other"').expect(200)
  })

  it('answer HEAD with the head alone', async () => {
    const { http } = make()
    const response = await request(http).head('/particle/client.js').expect(200)
    expect(Number(response.headers['content-length'])).to.be.greaterThan(1000)
    expect(response.text).to.equal(undefined)
  })

  it('are sent in the best form that the browser takes, each with an ETag of its own', async () => {
    const { http } = make()
    const plain = await readFile(CLIENT_SCRIPT, 'utf8')
    const ask = async (accepted: string | undefined) => {
      const { headers, text } = await request(http)
        .get('/particle/client.js')
        .set(accepted === undefined ? {} : { 'Accept-Encoding': accepted })
      expect(headers.vary).to.match(/accept-encoding/i)
      const encoding = headers['content-encoding'] ?? 'identity'
      return { encoding, etag: headers.etag ?? '', text }
    }
    const forms: [accepted: string | undefined, encoding: string][] = [
      ['gzip, deflate, br, zstd', 'br'],
      ['gzip, deflate', 'gzip'],
      ['GZIP;q=0.5, br;q=0', 'gzip'],
      ['*', 'br'],
      ['*;q=0', 'identity'],
      ['identity', 'identity'],
      ['', 'identity'],
      ['nonsense;q=x, ;;,', 'identity'],
    ]
    const tags = new Map<string, string>()
    for (const [accepted, encoding] of forms) {
      const answer = await ask(accepted)
      expect(answer.encoding, accepted).to.equal(encoding)
      tags.set(encoding, answer.etag)
      // supertest decodes the answer by itself.
      expect(answer.text, accepted).to.equal(plain)
    }
    expect(new Set(tags.values()).size).to.equal(3)
  })

  it('are kept by the browser for ever at the addresses of the import map', async () => {
    const { http } = make()
    const { imports } = importMap()
    const address = imports['particle/client'] ?? ''
    expect(address).to.match(/^\/particle\/[\da-f]{16}\/client\.js$/)
    const { headers, text } = await request(http).get(address).expect(200)
    expect(headers['cache-control']).to.equal('private, max-age=31536000, immutable')
    expect(text).to.equal(await readFile(CLIENT_SCRIPT, 'utf8'))
    expect(importMap('/app/particle/').imports['particle/client']).to.equal(`/app${address}`)
  })

  it('import each other beside them, so that a page has each class once', async () => {
    const { http } = make()
    const importing: string[] = []
    for (const [name, address] of Object.entries(importMap().imports)) {
      const { text } = await request(http).get(address).expect(200)
      for (const [, path = ''] of text.matchAll(/\bfrom\s*"([^"]+)"/g)) {
        importing.push(name)
        expect(new URL(path, `http://localhost${address}`).pathname).to.equal(
          importMap().imports['particle/client'],
        )
      }
    }
    expect(importing).to.include('particle/client/persist').and.not.to.include('particle/client')
  })

  it('are found at the addresses of another version, which nobody may keep', async () => {
    const { http } = make()
    const { headers } = await request(http)
      .get(`/particle/${'0'.repeat(16)}/client.js`)
      .expect(200)
    expect(headers['cache-control']).to.equal('no-cache')
  })

  it('are the only files that are served', async () => {
    const { http } = make()
    for (const name of [
      'client/none.js',
      'client/../client.js',
      'client/Share.js',
      '0/client.js',
      'client.js.br',
    ])
      expect((await request(http).get(`/particle/${name}`)).status, name).to.equal(404)
  })
})
