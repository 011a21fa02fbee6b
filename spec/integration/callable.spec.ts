import { expect } from 'chai'
import { Client } from '../../lib/client/index.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { refusal } from '../model/refusal.ts'

const NO_FUNCTIONS: unknown[] = [null, 0, '', 'a', {}, [], Promise.resolve()]

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'none',
    (error: { code?: string }) => error.code,
  )
}

describe('A public method that takes a function', () => {
  let server: Server
  let client: Client
  let lookups = 0

  beforeEach(() => {
    lookups = 0
    const identityLookup = () => {
      lookups++
      return {}
    }
    const dataSources = { users: { collection: memory().collection('users'), manifest: true as const } }
    server = new Server({ dataSources, identityLookup, onError: () => {} })
    client = new Client({ onRegister: () => () => {} })
  })

  afterEach(async () => {
    client.close()
    await server.disconnect()
  })

  for (const given of [undefined, ...NO_FUNCTIONS]) {
    it(`refuses ${given instanceof Promise ? 'a promise' : JSON.stringify(given)} at once`, async () => {
      const none = given as never
      // Both also take a query on the identity, and this one selects everybody.
      const isQuery = JSON.stringify(given) === '{}' && !(given instanceof Promise)
      expect(await rejection(server.register({}, none))).to.equal('INVALID_OPTION')
      expect(await rejection(server.register({}, none, () => {}))).to.equal('INVALID_OPTION')
      if (!isQuery) expect(refusal(() => server.revoke(none))).to.equal('INVALID_OPTION')
      expect(refusal(() => client.on('users', none))).to.equal('INVALID_OPTION')
      expect(refusal(() => client.subscribe(none))).to.equal('INVALID_OPTION')
      if (given !== undefined) {
        expect(await rejection(server.register({}, () => {}, none))).to.equal('INVALID_OPTION')
        if (!isQuery) expect(await rejection(server.refresh(none))).to.equal('INVALID_OPTION')
        expect(refusal(() => client.off('users', none))).to.equal('INVALID_OPTION')
        expect(refusal(() => void client.ready(none))).to.equal('INVALID_OPTION')
      }
      expect(lookups).to.equal(0)
      expect(server.stats().connections).to.equal(0)
    })
  }

  it('has constructors that refuse what is no object of options', () => {
    for (const given of [null, 'http://localhost', 1]) {
      expect(refusal(() => new Client(given as never))).to.equal('INVALID_OPTION')
      expect(refusal(() => new Server(given as never))).to.equal('INVALID_OPTION')
      expect(refusal(() => memory(given as never))).to.equal('INVALID_OPTION')
    }
  })
})
