import { expect } from 'chai'
import express from 'express'
import type { ServerOptions } from '../../../lib/server/options/options.ts'
import { Server } from '../../../lib/server/server.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { type Listening, listen } from '../../support/http.ts'

describe('server/route-hint', () => {
  let listening: Listening | undefined
  afterEach(async () => await listening?.close())

  /** An application with the middleware mounted at a path, or nowhere in particular, and what its server tells. */
  const serve = async (mount = '/', options: Partial<ServerOptions> = {}) => {
    const told: string[] = []
    const server = new Server({
      dataSources: { films: { collection: memory().collection('films'), manifest: true } },
      onError: (error) => told.push(`error: ${error.message}`),
      onDebug: (message, { name }) => void (name === 'hint' && told.push(message)),
      ...options,
    })
    const app = express().use(mount, server.middleware())
    app.get('/films/stream', (_request, response) => void response.send('a film'))
    listening = await listen(app)
    const { url } = listening
    return {
      told,
      ask: async (path: string, init?: RequestInit) => await (await fetch(url + path, init)).text(),
    }
  }

  const wrong = [
    '/handshake',
    '/api/particle/stream',
    '/particle/handshak',
    '/app/particle/client.js',
    '/particle',
  ]
  for (const path of wrong) {
    it(`tells once of ${path}, which is no route`, async () => {
      const { told, ask } = await serve()
      await ask(path)
      await ask(path)
      expect(told).to.deep.equal([
        `GET ${path} is not a route of Particle: these are POST /particle/handshake, GET /particle/stream, GET /particle/client.js. Check the client's url, the option path, and the mount point`,
      ])
    })
  }

  it('names the routes below the mount point', async () => {
    const { told, ask } = await serve('/api')
    await ask('/api/handshake')
    expect(told.join()).to.include('GET /api/particle/stream')
  })

  it('tells by an error of a middleware that is mounted at its own path', async () => {
    const { told, ask } = await serve('/particle')
    await ask('/particle/handshake', { method: 'POST' })
    expect(told).to.have.length(1)
    expect(told[0]).to.match(
      /^error: POST \/particle\/handshake .*GET \/particle\/particle\/stream.*mount it without one/,
    )
  })

  it('says nothing of what other handlers answer, and of other addresses', async () => {
    const { told, ask } = await serve()
    expect(await ask('/films/stream')).to.equal('a film')
    await ask('/nowhere')
    await ask('/particles/list')
    expect(told).to.deep.equal([])
  })

  const foreign = { Origin: 'https://app.example.com', 'Sec-Fetch-Site': 'cross-site' }
  const post = { method: 'POST', body: '{}' }
  it('tells once of a page of another origin that allowOrigin does not list', async () => {
    const { told, ask } = await serve()
    for (let time = 0; time < 2; time++) await ask('/particle/handshake', { ...post, headers: foreign })
    expect(told).to.deep.equal([
      'A page of https://app.example.com wants to connect, and allowOrigin does not list it: if it is yours, list it in allowOrigin',
    ])
  })

  it('says nothing of origins that are listed, of own pages behind a proxy, and of no pages at all', async () => {
    const { told, ask } = await serve('/', { allowOrigin: 'https://app.example.com' })
    const requests = [
      foreign,
      { ...foreign, Origin: 'https://own.example.com', 'Sec-Fetch-Site': 'same-origin' },
      {},
    ]
    for (const headers of requests) await ask('/particle/handshake', { ...post, headers })
    expect(told).to.deep.equal([])
  })
})
