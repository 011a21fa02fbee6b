/** @jest-environment jsdom */
const particle = require('particle')
const { Client } = require('particle/client')
const { memory } = require('particle/memory')
const { parsePath } = require('particle/protocol')

test('a component, with events in place of a server', async () => {
  const manifest = { protocol: 2, timestamp: '', resumed: false, sources: { users: { name: true } } }
  const payload = { root: 'users', timestamp: '', data: [{ _id: 1, name: 'Eva' }], part: 0, last: true }
  const client = new Client({
    onRegister: (_identity, receiver, done) => {
      receiver('manifest', manifest)
      receiver('payload', payload)
      receiver('ready', { timestamp: '' })
      done()
    },
    onData: ({ users }) => {
      document.body.textContent = users[0].name
    },
  })
  await client.ready()
  client.close()
  expect(document.body.textContent).toBe('Eva')
  expect(client.data.users).toEqual([{ _id: 1, name: 'Eva' }])
})

test('all subpaths can be loaded, and a server be made', () => {
  const collection = memory().collection('users')
  const server = new particle.Server({ dataSources: { users: { collection, manifest: { name: true } } } })
  expect(typeof server.middleware()).toBe('function')
  expect(() => parsePath('__proto__')).toThrow(particle.ParticleError)
})
