const http = require('node:http')
const { setTimeout: sleep } = require('node:timers/promises')

/** Serves a handler by Node's http. */
async function serveByHttp(handler) {
  const listener = http.createServer(handler).listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const close = () => {
    listener.closeAllConnections()
    return new Promise((resolve) => listener.close(resolve))
  }
  return { port: listener.address().port, close }
}

/** Runs a server with a client from the first connection to the end of both; returns what the client had, as JSON. */
module.exports = async (given) => {
  const { particle, middleware, ParticleError, Client, memory, parsePath, serve = serveByHttp } = given
  const users = memory().collection('users')
  await users.insertOne({ _id: 1, name: 'Ada', password: 'not for you' })
  const server = new particle.Server({
    identityLookup: (identity) => identity,
    dataSources: { users: { collection: users, manifest: { name: true } } },
  })
  const listener = await serve(server.middleware())
  const url = `http://127.0.0.1:${listener.port}/particle`
  const client = new Client({ url, identity: { user: 'ada' } })
  await client.ready()
  await users.updateOne({ _id: 1 }, { $set: { name: 'Eva' } })
  const end = Date.now() + 10_000
  while (client.data.users[0].name !== 'Eva' && Date.now() < end) await sleep(10)
  const script = await (await fetch(`${url}/client.js`)).text()
  const connected = server.stats().connections
  client.close()
  // A client that goes must be found before the server closes its stream.
  while (server.stats().connections > 0 && Date.now() < end) await sleep(10)
  const released = connected === 1 && server.stats().connections === 0
  await server.disconnect()
  await listener.close()
  let refused
  try {
    parsePath('__proto__')
  } catch (error) {
    refused = error
  }
  return JSON.stringify({
    data: client.data,
    script: script.includes('Client'),
    released,
    middleware: middleware === particle.middleware,
    // One class for all subpaths, or nobody could tell Particle's errors from others.
    error: refused instanceof ParticleError && ParticleError === particle.ParticleError,
  })
}
