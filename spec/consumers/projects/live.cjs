const http = require('node:http')
const { setTimeout: sleep } = require('node:timers/promises')

/** Runs a server with a client from the first connection to the end of both; returns what the client had, as JSON. */
module.exports = async ({ particle, middleware, ParticleError, Client, memory, parsePath }) => {
  const users = memory().collection('users')
  await users.insertOne({ _id: 1, name: 'Ada', password: 'not for you' })
  const server = new particle.Server({
    identityLookup: (identity) => identity,
    dataSources: { users: { collection: users, manifest: { name: true } } },
  })
  const listener = http.createServer(server.middleware()).listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const url = `http://127.0.0.1:${listener.address().port}/particle`
  const client = new Client({ url, identity: { user: 'ada' } })
  await client.ready()
  await users.updateOne({ _id: 1 }, { $set: { name: 'Eva' } })
  const end = Date.now() + 10_000
  while (client.data.users[0].name !== 'Eva' && Date.now() < end) await sleep(10)
  const script = await (await fetch(`${url}/client.js`)).text()
  client.close()
  await server.disconnect()
  listener.closeAllConnections()
  await new Promise((resolve) => listener.close(resolve))
  let refused
  try {
    parsePath('__proto__')
  } catch (error) {
    refused = error
  }
  return JSON.stringify({
    data: client.data,
    script: script.includes('Client'),
    middleware: middleware === particle.middleware,
    // One class for all subpaths, or nobody could tell Particle's errors from others.
    error: refused instanceof ParticleError && ParticleError === particle.ParticleError,
  })
}
