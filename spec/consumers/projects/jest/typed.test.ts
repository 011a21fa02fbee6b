import particle, { middleware, ParticleError } from 'particle'
import { Client } from 'particle/client'
import { memory } from 'particle/memory'
import { parsePath } from 'particle/protocol'

const live: (parts: object) => Promise<string> = require('../live.cjs')

test('a server and a client', async () => {
  const parts = { particle, middleware, ParticleError, Client, memory, parsePath }
  expect(await live(parts)).toBe(process.env.EXPECTED)
})
