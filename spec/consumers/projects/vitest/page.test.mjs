// @vitest-environment jsdom
import { Client } from 'particle/client'
import { expect, test } from 'vitest'

test('a page with a server elsewhere', async () => {
  const client = new Client({ url: process.env.PARTICLE_URL })
  const { users } = await client.ready()
  document.body.textContent = users[0].name
  client.close()
  expect(document.body.textContent).toBe('Ada')
})
