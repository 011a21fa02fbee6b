import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http2, { type ClientHttp2Session } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Server } from '../../lib/server/index.ts'
import { type MemoryCollection, memory } from '../../lib/source/memory/index.ts'
import { certificate } from '../support/certificate.ts'
import { eventually, type Listening, listen } from '../support/http.ts'
import { guideConfiguration, startNginx } from '../support/nginx.ts'
import { freePort } from '../support/process.ts'

describe('The nginx configuration of docs/guides/nodes.md, with TLS and HTTP/2', function () {
  this.timeout(100_000)
  const folder = mkdtempSync(join(tmpdir(), 'particle-nginx-tls-'))
  let server: Server
  let users: MemoryCollection
  let listening: Listening
  let nginx: { stop(): Promise<void> } | undefined
  let session: ClientHttp2Session

  before(async function () {
    const tls = certificate()
    if (!tls) return this.skip()
    for (const [name, text] of Object.entries(tls)) writeFileSync(join(folder, name), text)
    users = memory().collection('users')
    server = new Server({ dataSources: { users: { manifest: true, collection: users } } })
    listening = await listen(server.middleware())
    const port = await freePort()
    const plain = await guideConfiguration([listening.port, listening.port], port)
    // `http2 on` needs nginx 1.25. Debian has an older one, and newer ones still take the parameter.
    const keys = `ssl_certificate ${join(folder, 'cert')}; ssl_certificate_key ${join(folder, 'key')};`
    const listen2 = `listen 127.0.0.1:${port} ssl http2; ${keys}`
    const started = await startNginx(plain.replace(`listen 127.0.0.1:${port};`, listen2), port)
    if ('missing' in started) {
      console.log(`      skipped: ${started.missing}`)
      return this.skip()
    }
    nginx = started
    session = http2.connect(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      servername: 'localhost',
    })
  })

  after(async () => {
    session?.destroy()
    await nginx?.stop()
    await server?.disconnect()
    await listening?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('shares a connection among more streams than HTTP/1.1 has connections, and frees those that are cancelled', async () => {
    const readers = Array.from({ length: 12 }, () => {
      const request = session.request({ ':path': '/particle/stream' })
      const reader = { request, text: '' }
      request.on('error', () => {})
      request.setEncoding('utf8').on('data', (text: string) => {
        reader.text += text
      })
      return reader
    })
    const all = (text: string) => readers.every((reader) => reader.text.includes(text))
    await eventually(() => all('event: ready'), 'all streams')
    expect(server.stats().connections).to.equal(12)
    await users.insertOne({ _id: 1, name: 'Ada' })
    await eventually(() => all('"Ada"'), 'the change at once', 500)
    for (const { request } of readers.slice(0, 11)) request.close(http2.constants.NGHTTP2_CANCEL)
    await eventually(() => server.stats().connections === 1, 'the release')
    await users.insertOne({ _id: 2, name: 'Eva' })
    await eventually(() => readers[11]?.text.includes('"Eva"') === true, 'the last stream goes on', 500)
  })
})
