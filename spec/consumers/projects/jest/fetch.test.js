/** @jest-environment <rootDir>/jsdom-with-fetch.cjs */
const { Client } = require('particle/client')

test('a page with a server elsewhere', async () => {
  const client = new Client({ url: process.env.PARTICLE_URL })
  expect(await client.ready()).toEqual({ users: [{ _id: 1, name: 'Ada' }] })
  client.close()
})
