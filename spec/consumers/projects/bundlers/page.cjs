const { Client, ParticleError } = require('particle/client')

const client = new Client({ url: globalThis.particleUrl })
client.ready().then(() => {
  console.log(JSON.stringify(client.data), new ParticleError('CLOSED', '').code)
  client.close()
})
