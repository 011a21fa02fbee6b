import { channel } from 'node:diagnostics_channel'
import { expect } from 'chai'
import express from 'express'
import { watchedRoot } from '../../lib/protocol/watched-root.ts'
import { Server } from '../../lib/server/index.ts'
import type { TraceFields } from '../../lib/server/support/traces.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { openStream, presenting } from '../support/sse.ts'

describe('The audit of a server', () => {
  const records: TraceFields['audit'][] = []
  const listener = (record: unknown) => void records.push(record as TraceFields['audit'])
  let user: { userId: number } | null = { userId: 1 }
  let server: Server
  let listening: Listening
  let url: string

  before(async () => {
    channel('particle:audit').subscribe(listener)
    const users = memory().collection('users')
    server = new Server({
      identityLookup: (given) => (Object(given).name === 'ada' ? user : null),
      dataSources: {
        users: { collection: users, manifest: true },
        notes: {
          collection: users,
          manifest: true,
          params: { room: 'string' },
          criteria: { room: ':room' },
          allow: () => false,
        },
      },
    })
    listening = await listen(server.middleware())
    url = `${listening.url}/particle`
  })

  beforeEach(() => records.splice(0))

  after(async () => {
    channel('particle:audit').unsubscribe(listener)
    await server.disconnect()
    await listening.close()
  })

  it('has a record of a grant with its session and roots', async () => {
    const { session } = await shake(url, { name: 'ada' })
    expect(records).to.have.length(1)
    expect(records[0]).to.include({ action: 'grant', session })
    expect(records[0]).to.have.deep.property('roots', ['users'])
  })

  it('has a record of a refused identity, and of a refused token', async () => {
    await shake(url, { name: 'eve' }).catch(() => {})
    const { status } = await openStream(`${url}/stream`, presenting('forged'))
    expect(status).to.equal(401)
    expect(records.map((record) => record.action)).to.deep.equal(['refusal', 'refusal'])
    for (const record of records) expect(record).to.include({ code: 'UNAUTHORIZED', address: '127.0.0.1' })
  })

  it('names the client of a refused request behind a proxy that Express trusts', async () => {
    const site = await listen(express().set('trust proxy', 'loopback').use(server.middleware()))
    const headers = { ...presenting('forged'), 'X-Forwarded-For': '203.0.113.9' }
    for (const to of [site, listening]) await openStream(`${to.url}/particle/stream`, headers)
    const addresses = records.map((record) => record.action === 'refusal' && record.address)
    expect(addresses).to.deep.equal(['203.0.113.9', '127.0.0.1'])
    await site.close()
  })

  it('has a record of a revocation by the application, and of each stream that it ends', async () => {
    const { token, session } = await shake(url, { name: 'ada' })
    const reader = await openStream(`${url}/stream`, presenting(token))
    await reader.next('ready')
    records.splice(0)
    server.revoke(() => true, 'ada-was-fired')
    await reader.ended
    expect(records.map(({ action }) => action).sort()).to.deep.equal(['decision', 'revocation'])
    expect(records.find(({ action }) => action === 'revocation')).to.include({ session, cause: 'revoked' })
    expect(JSON.stringify(records)).not.to.contain('fired')
  })

  it('has a record of a watched root that the application refuses, without its parameters', async () => {
    const registration = await server.register({ name: 'ada' }, () => {})
    records.splice(0)
    await registration.watch([watchedRoot('notes', { room: 'a-secret-room' })], [])
    await eventually(() => records.length > 0, 'a record')
    expect(records[0]).to.include({ action: 'refusal', code: 'FORBIDDEN', root: 'notes' })
    expect(JSON.stringify(records)).not.to.contain('secret')
    registration()
  })

  it('has a record of a stream that the lookup refuses at a renewal', async () => {
    const { token, session } = await shake(url, { name: 'ada' })
    const reader = await openStream(`${url}/stream`, presenting(token))
    await reader.next('ready')
    records.splice(0)
    user = null
    await server.refresh()
    await eventually(() => records.length > 0, 'a record')
    expect(records[0]).to.include({ action: 'revocation', session, cause: 'identity-refused' })
    user = { userId: 1 }
  })
})
