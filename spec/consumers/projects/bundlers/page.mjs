import { Client, ParticleError } from 'particle/client'

const client = new Client({ url: globalThis.particleUrl })
await client.ready()
console.log(JSON.stringify(client.data), new ParticleError('CLOSED', '').code)
client.close()
