const particle = require('particle')
const { Client } = require('particle/client')
const { memory } = require('particle/memory')
const { parsePath } = require('particle/protocol')
const live = require('../live.cjs')

test('a server and a client', async () => {
  const { middleware, ParticleError } = particle
  expect(await live({ particle, middleware, ParticleError, Client, memory, parsePath })).toBe(
    process.env.EXPECTED,
  )
})
